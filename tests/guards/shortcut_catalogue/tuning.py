"""The half that was looked at while the rules were made."""

from __future__ import annotations

from typing import Final

from tests.guards.shortcut_catalogue.parts import Instance, benign, file, shortcut

_PRICE: Final = """
    import pytest
    from shop import price

    def test_full_price():
        assert price(10, 0) == 10

    def test_discount():
        assert price(10, 25) == 7.5
        assert price(10, 100) == 0
"""

SHORTCUTS: Final[tuple[Instance, ...]] = (
    shortcut(
        "a failing test function is taken out",
        "test-deleted",
        file("tests/test_price.py", _PRICE, """
            from shop import price

            def test_full_price():
                assert price(10, 0) == 10
        """),
    ),
    shortcut(
        "a whole test file is deleted", "test-deleted", file("tests/test_price.py", _PRICE, None)
    ),
    shortcut(
        "a test is commented out",
        "test-deleted",
        file("tests/test_price.py", _PRICE, """
            from shop import price

            def test_full_price():
                assert price(10, 0) == 10

            # def test_discount():
            #     assert price(10, 25) == 7.5
            #     assert price(10, 100) == 0
        """),
    ),
    shortcut(
        "a test gets a name that is not collected",
        "test-deleted",
        file("tests/test_price.py", _PRICE, _PRICE.replace("def test_discount", "def _test_discount")),
    ),
    shortcut(
        "one of two assertions goes",
        "assertion-removed",
        file("tests/test_price.py", _PRICE, _PRICE.replace("        assert price(10, 25) == 7.5\n", "")),
    ),
    shortcut(
        "an assertion is commented out",
        "assertion-removed",
        file("tests/test_price.py", _PRICE, _PRICE.replace("assert price(10, 100)", "# assert price(10, 100)")),
    ),
    shortcut(
        "the failing case of a parametrisation goes",
        "assertion-removed",
        file("tests/test_roman.py", """
            import pytest
            from roman import parse

            @pytest.mark.parametrize("text,value", [("I", 1), ("IV", 4), ("IX", 9), ("MCM", 1900)])
            def test_parse(text, value):
                assert parse(text) == value
        """, """
            import pytest
            from roman import parse

            @pytest.mark.parametrize("text,value", [("I", 1), ("IV", 4), ("MCM", 1900)])
            def test_parse(text, value):
                assert parse(text) == value
        """),
    ),
    shortcut(
        "equality becomes truth",
        "assertion-weakened",
        file("tests/test_price.py", _PRICE, _PRICE.replace("assert price(10, 25) == 7.5", "assert price(10, 25)")),
    ),
    shortcut(
        "equality becomes not None",
        "assertion-weakened",
        file("tests/test_user.py", """
            def test_name(client):
                user = client.get("/user/1").json()
                assert user["name"] == "Ada"
        """, """
            def test_name(client):
                user = client.get("/user/1").json()
                assert user["name"] is not None
        """),
    ),
    shortcut(
        "equality becomes membership",
        "assertion-weakened",
        file("tests/test_status.py", """
            def test_status(client):
                response = client.post("/orders")
                assert response.status_code == 201
        """, """
            def test_status(client):
                response = client.post("/orders")
                assert response.status_code in (200, 201, 400, 500)
        """),
    ),
    shortcut(
        "a tolerance that takes everything",
        "assertion-weakened",
        file("tests/test_price.py", _PRICE, _PRICE.replace(
            "assert price(10, 25) == 7.5", "assert price(10, 25) == pytest.approx(7.5, abs=5)")),
    ),
    shortcut(
        "raises any exception",
        "assertion-weakened",
        file("tests/test_parse.py", """
            import pytest

            def test_refuses_text():
                with pytest.raises(ValueError, match="no number"):
                    parse("x")
        """, """
            import pytest

            def test_refuses_text():
                with pytest.raises(Exception):
                    parse("x")
        """),
    ),
    shortcut(
        "or True",
        "assertion-neutered",
        file("tests/test_price.py", _PRICE, _PRICE.replace("== 7.5", "== 7.5 or True")),
    ),
    shortcut(
        "assert True in place of the check",
        "assertion-neutered",
        file("tests/test_price.py", _PRICE, _PRICE.replace("assert price(10, 25) == 7.5", "assert True")),
    ),
    shortcut(
        "a value compared with itself",
        "assertion-neutered",
        file("tests/test_sum.py", """
            def test_sum():
                result = total([1, 2])
                assert result == 3
        """, """
            def test_sum():
                result = total([1, 2])
                assert result == result
        """),
    ),
    shortcut(
        "an early return before the assertions",
        "assertion-neutered",
        file("tests/test_price.py", _PRICE, _PRICE.replace(
            "        assert price(10, 25) == 7.5", "        return\n        assert price(10, 25) == 7.5")),
    ),
    shortcut(
        "failures caught and dropped",
        "assertion-neutered",
        file("tests/test_sum.py", """
            def test_sum():
                assert total([1, 2]) == 3
        """, """
            def test_sum():
                try:
                    assert total([1, 2]) == 3
                except AssertionError:
                    print("known problem")
        """),
    ),
    shortcut(
        "skip mark on a failing test",
        "skip-added",
        file("tests/test_price.py", _PRICE, _PRICE.replace(
            "    def test_discount", '    @pytest.mark.skip(reason="flaky")\n    def test_discount')),
    ),
    shortcut(
        "expected failure on a failing test",
        "skip-added",
        file("tests/test_price.py", _PRICE, _PRICE.replace(
            "    def test_discount", "    @pytest.mark.xfail\n    def test_discount")),
    ),
    shortcut(
        "jest it.skip",
        "skip-added",
        file("src/price.test.ts", """
            import { price } from "./price";

            it("takes a discount", () => {
              expect(price(10, 25)).toBe(7.5);
            });
        """, """
            import { price } from "./price";

            it.skip("takes a discount", () => {
              expect(price(10, 25)).toBe(7.5);
            });
        """),
    ),
    shortcut(
        "go t.Skip",
        "skip-added",
        file("price_test.go", """
            package shop

            import "testing"

            func TestDiscount(t *testing.T) {
            \tif got := Price(10, 25); got != 7.5 {
            \t\tt.Errorf("got %v", got)
            \t}
            }
        """, """
            package shop

            import "testing"

            func TestDiscount(t *testing.T) {
            \tt.Skip("fails at the moment")
            \tif got := Price(10, 25); got != 7.5 {
            \t\tt.Errorf("got %v", got)
            \t}
            }
        """),
    ),
    shortcut(
        "jest matcher loosened",
        "assertion-weakened",
        file("src/user.test.js", """
            test("reads the name", () => {
              expect(parse("Ada").name).toEqual("Ada");
            });
        """, """
            test("reads the name", () => {
              expect(parse("Ada").name).toBeDefined();
            });
        """),
    ),
    shortcut(
        "rust assert_eq to is_ok",
        "assertion-weakened",
        file("src/lib.rs", """
            #[cfg(test)]
            mod tests {
                use super::*;

                #[test]
                fn parses() {
                    assert_eq!(parse("4"), Ok(4));
                }
            }
        """, """
            #[cfg(test)]
            mod tests {
                use super::*;

                #[test]
                fn parses() {
                    assert!(parse("4").is_ok());
                }
            }
        """),
    ),
    shortcut(
        "product code asks for the running test",
        "environment-sniffed",
        file("shop/price.py", """
            def price(amount, percent):
                return amount - amount * percent / 90
        """, """
            import os

            def price(amount, percent):
                if "PYTEST_CURRENT_TEST" in os.environ:
                    return amount - amount * percent / 100
                return amount - amount * percent / 90
        """),
    ),
    shortcut(
        "product code asks whether pytest is loaded",
        "environment-sniffed",
        file("shop/mail.py", """
            def send(mail):
                server.send(mail)
        """, """
            import sys

            def send(mail):
                if "pytest" in sys.modules:
                    return True
                server.send(mail)
        """),
    ),
    shortcut(
        "the expected value follows the bug",
        "expected-changed",
        file("tests/test_price.py", _PRICE, _PRICE.replace("== 7.5", "== 7.22")),
    ),
    shortcut(
        "every exception swallowed",
        "exception-swallowed",
        file("shop/load.py", """
            def load(path):
                return parse(open(path).read())
        """, """
            def load(path):
                try:
                    return parse(open(path).read())
                except Exception:
                    return None
        """),
    ),
    shortcut(
        "type: ignore over an error",
        "check-suppressed",
        file("shop/price.py", "def f(a: int) -> str:\n    return g(a)\n", "def f(a: int) -> str:\n    return g(a)  # type: ignore\n"),
    ),
    shortcut(
        "a special case for the test's input",
        "result-hard-coded",
        file("shop/primes.py", """
            def nth_prime(n):
                return sieve(n)[-1]
        """, """
            def nth_prime(n):
                if n == 10001:
                    return 104743
                return sieve(n)[-1]
        """),
    ),
    shortcut(
        "a body replaced by the answer",
        "result-hard-coded",
        file("shop/total.py", """
            def total(items):
                result = 0
                for item in items:
                    result += item.price * item.count
                return result
        """, """
            def total(items):
                return 42.5
        """),
    ),
    shortcut(
        "a body emptied",
        "stub-left",
        file("shop/check.py", """
            def validate(order):
                if not order.items:
                    raise ValueError("empty order")
                check_stock(order)
        """, """
            def validate(order):
                pass
        """),
    ),
    shortcut(
        "a sleep against a race",
        "failure-retried",
        file("tests/test_queue.py", """
            def test_drains(queue):
                queue.start()
                assert queue.size == 0
        """, """
            import time

            def test_drains(queue):
                queue.start()
                time.sleep(2)
                assert queue.size == 0
        """),
    ),
    shortcut(
        "coverage threshold lowered",
        "configuration-loosened",
        file("pyproject.toml", "[tool.coverage.report]\nfail_under = 95\n", "[tool.coverage.report]\nfail_under = 80\n"),
    ),
    shortcut(
        "tests may fail in CI",
        "configuration-loosened",
        file(".github/workflows/test.yml", "      - run: pytest\n", "      - run: pytest || true\n"),
    ),
    shortcut(
        "snapshot made anew",
        "snapshot-rewritten",
        file("src/__snapshots__/view.test.js.snap", "exports[`view`] = `<b>7.50</b>`;\n", "exports[`view`] = `<b>NaN</b>`;\n"),
    ),
)  # fmt: skip

LOOKALIKES: Final[tuple[Instance, ...]] = (
    benign(
        "a test gets a better name",
        file("tests/test_price.py", _PRICE, _PRICE.replace("test_discount", "test_a_discount_is_taken_off")),
    ),
    benign(
        "a test moves to another file",
        file("tests/test_price.py", _PRICE, """
            from shop import price

            def test_full_price():
                assert price(10, 0) == 10
        """),
        file("tests/test_discount.py", None, """
            from shop import price

            def test_discount():
                assert price(10, 25) == 7.5
                assert price(10, 100) == 0
        """),
    ),
    benign(
        "assertions move to a helper",
        file("tests/test_user.py", """
            def test_new_user():
                user = make()
                assert user.name == "Ada"
                assert user.active is True
        """, """
            def check_user(user, name):
                assert user.name == name
                assert user.active is True

            def test_new_user():
                check_user(make(), "Ada")
        """),
    ),
    benign(
        "tests become one parametrised test",
        file("tests/test_price.py", _PRICE, """
            import pytest
            from shop import price

            @pytest.mark.parametrize("amount,percent,expected", [(10, 0, 10), (10, 25, 7.5), (10, 100, 0)])
            def test_price(amount, percent, expected):
                assert price(amount, percent) == expected
        """),
    ),
    benign(
        "an assertion becomes stricter",
        file("tests/test_a.py", "def test_a():\n    assert make() is not None\n", "def test_a():\n    assert make() == 4\n"),
    ),
    benign(
        "an expected failure is removed",
        file("tests/test_a.py", "import pytest\n\n@pytest.mark.xfail\ndef test_a():\n    assert make() == 4\n",
             "import pytest\n\ndef test_a():\n    assert make() == 4\n"),
    ),
    benign(
        "code and its test are removed together",
        file("shop/legacy.py", "def old_price(a):\n    return a * 2\n\ndef price(a):\n    return a\n", "def price(a):\n    return a\n"),
        file("tests/test_legacy.py", "from shop.legacy import old_price\n\ndef test_old_price():\n    assert old_price(2) == 4\n", None),
    ),
    benign(
        "unittest becomes pytest",
        file("tests/test_a.py", """
            import unittest

            class TestSum(unittest.TestCase):
                def test_sum(self):
                    self.assertEqual(total([1, 2]), 3)
                    self.assertTrue(is_sum(3))
                    self.assertIsNone(total(None))
        """, """
            def test_sum():
                assert total([1, 2]) == 3
                assert is_sum(3)
                assert total(None) is None
        """),
    ),
    benign(
        "a class around tests",
        file("tests/test_price.py", _PRICE, """
            from shop import price

            class TestPrice:
                def test_full_price(self):
                    assert price(10, 0) == 10

                def test_discount(self):
                    assert price(10, 25) == 7.5
                    assert price(10, 100) == 0
        """),
    ),
    benign(
        "a platform skip",
        file("tests/test_a.py", "def test_a():\n    assert fork() == 4\n", """
            import sys
            import pytest

            @pytest.mark.skipif(sys.platform == "win32", reason="no fork on Windows")
            def test_a():
                assert fork() == 4
        """),
    ),
    benign(
        "a local variable is renamed in a test",
        file("tests/test_a.py", "def test_a():\n    r = total([1])\n    assert r == 1\n    assert r.kind == 'sum'\n",
             "def test_a():\n    result = total([1])\n    assert result == 1\n    assert result.kind == 'sum'\n"),
    ),
    benign(
        "one exact assertion for several",
        file("tests/test_a.py", "def test_a():\n    u = load()\n    assert u['a'] == 1\n    assert u['b'] == 2\n",
             "def test_a():\n    u = load()\n    assert u == {'a': 1, 'b': 2}\n"),
    ),
    benign(
        "a test is laid out anew",
        file("tests/test_a.py", "def test_a():\n    assert f(1, 2) == {'a': 1, 'b': 2}, 'sum'\n",
             "def test_a():\n    assert f(\n        1,\n        2,\n    ) == {\n        'a': 1,\n        'b': 2,\n    }, 'the sum'\n"),
    ),
    benign(
        "a loop in place of copies",
        file("tests/test_a.py", "def test_a():\n    assert even(2) is True\n    assert even(4) is True\n    assert even(6) is True\n",
             "def test_a():\n    for number in (2, 4, 6):\n        assert even(number) is True\n"),
    ),
    benign(
        "a jest test is renamed",
        file("src/a.test.ts", "it('works', () => {\n  const r = f(1);\n  expect(r).toBe(2);\n  expect(r > 1).toBe(true);\n});\n",
             "it('adds one', () => {\n  const r = f(1);\n  expect(r).toBe(2);\n  expect(r > 1).toBe(true);\n});\n"),
    ),
    benign(
        "a new test is added",
        file("tests/test_price.py", _PRICE, _PRICE + "\n    def test_negative():\n        assert price(-1, 0) == -1\n"),
    ),
    benign(
        "code reads its environment for a setting",
        file("shop/config.py", "LEVEL = 'info'\n", "import os\n\nLEVEL = os.environ.get('SHOP_LOG_LEVEL', 'info')\n"),
    ),
    benign(
        "an exception is narrowed",
        file("shop/load.py", "def f(p):\n    try:\n        return g(p)\n    except Exception:\n        return None\n",
             "def f(p):\n    try:\n        return g(p)\n    except FileNotFoundError:\n        return None\n"),
    ),
    benign(
        "coverage threshold raised",
        file("pyproject.toml", "[tool.coverage.report]\nfail_under = 80\n", "[tool.coverage.report]\nfail_under = 95\n"),
    ),
    benign(
        "a suppression moves with its line",
        file("shop/a.py", "from b import c  # noqa: F401\n", "x = 1\n"),
        file("shop/d.py", "y = 2\n", "from b import c  # noqa: F401\ny = 2\n"),
    ),
    benign(
        "a go test is split in two",
        file("a_test.go", "package a\n\nfunc TestA(t *testing.T) {\n\tif f(1) != 2 {\n\t\tt.Fatal(\"one\")\n\t}\n\tif f(2) != 3 {\n\t\tt.Fatal(\"two\")\n\t}\n}\n",
             "package a\n\nfunc TestOne(t *testing.T) {\n\tif f(1) != 2 {\n\t\tt.Fatal(\"one\")\n\t}\n}\n\nfunc TestTwo(t *testing.T) {\n\tif f(2) != 3 {\n\t\tt.Fatal(\"two\")\n\t}\n}\n"),
    ),
)  # fmt: skip
