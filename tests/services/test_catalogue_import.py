"""Files become products: every row is imported or reported, and no row spoils another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask

from products import export_services, import_services, page_services, search_services, services
from products import stock_services as stock
from products.csv_files import UnreadableFile
from products.import_services import Summary
from products.schemas import NewProduct
from utils import db

DATA = Path(__file__).parents[1] / "data"
HEADER = (
    "Handle,Title,Body (HTML),Vendor,Type,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Qty,"
    "Variant Price,Variant Compare At Price,Image Src,Image Position,Image Alt Text"
)
# A plain product of one row; the cells that matter are given by name.
PLAIN = {"Published": "true", "Option1 Name": "Title", "Option1 Value": "Default Title", "Variant Price": "100"}

pytestmark = pytest.mark.usefixtures("app")


def row(handle: str, **cells: str) -> str:
    """Write a row; an underscore in a name stands for a blank."""
    given = {name.replace("_", " "): value for name, value in cells.items()}
    named = {"Handle": handle, **given}
    return ",".join(f'"{named.get(name, "")}"' for name in HEADER.split(","))


def plain(handle: str, title: str = "Tea", **cells: str) -> str:
    return row(handle, Title=title, **({name.replace(" ", "_"): value for name, value in PLAIN.items()} | cells))


def sized(handle: str, size: str, title: str = "", **cells: str) -> str:
    name = "Size" if title else ""
    return row(handle, Title=title, Option1_Name=name, Option1_Value=size, **({"Variant_Price": "100"} | cells))


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Summary]:
    def run(*rows: str, header: str = HEADER, encoding: str = "utf-8") -> Summary:
        path = tmp_path / "file.csv"
        path.write_bytes("\n".join([header, *rows]).encode(encoding, "surrogateescape"))
        return import_services.import_file(path)

    return run


def told(summary: Summary) -> list[str]:
    return [str(problem) for problem in summary.problems]


def everything() -> list[db.Row]:
    """All that an import may write."""
    reader = db.reading()
    return [
        *reader.fetch_all("SELECT id, version, updated_at, category_id FROM products ORDER BY id"),
        *reader.fetch_all("SELECT id, updated_at, deleted_at FROM variants ORDER BY id"),
        *reader.fetch_all("SELECT id, product_id, position, url FROM product_images ORDER BY id"),
        *reader.fetch_all("SELECT id, delta FROM stock_movements ORDER BY id"),
        *reader.fetch_all("SELECT id, updated_at FROM categories ORDER BY id"),
    ]


@pytest.mark.parametrize(("file", "rows", "stock_sum"), [("apparel.csv", 22, 22), ("home-and-garden.csv", 21, 65)])
def test_a_real_file_is_imported_whole_and_a_second_time_changes_nothing(file: str, rows: int, stock_sum: int) -> None:
    first = import_services.import_file(DATA / file)
    assert (first.products, first.rows, first.problems) == ({"new": 20}, rows, [])
    assert db.reading().fetch_value("SELECT SUM(stock) AS pieces FROM variants") == stock_sum
    before = everything()
    second = import_services.import_file(DATA / file)
    assert (second.products, second.problems) == ({"unchanged": 20}, [])
    assert everything() == before


def test_a_real_product_has_all_that_its_rows_say() -> None:
    import_services.import_file(DATA / "home-and-garden.csv")
    pot = page_services.get_product(key="clay-plant-pot")
    assert [pot[key] for key in ("name", "vendor", "category", "options", "compare_at_price")] == [
        "Clay Plant Pot",
        "Company 123",
        "outdoor",
        ["Size"],
        None,
    ]
    assert [(v["options"]["Size"], str(v["price"]), v["stock"]) for v in pot["variants"]] == [
        ("Regular", "9.99", 1),
        ("Large", "15.99", 3),
    ]
    assert [image["url"].rpartition("/")[2] for image in pot["images"]] == [
        "single-sprout-in-a-pot_925x.jpg",
        "pot-with-a-single-sprout_925x.jpg",
    ]
    light = page_services.get_product(key="copper-light")
    assert (str(light["compare_at_price"]), light["options"], len(light["variants"])) == ("75.00", [], 1)


def test_pictures_stand_by_position_with_their_words_and_once_each(load: Callable[..., Summary]) -> None:
    load(
        plain("tea", Image_Src="/2.svg", Image_Position="2", Image_Alt_Text="Two"),
        row("tea", Image_Src="/1.svg", Image_Position="1", Image_Alt_Text="One"),
        row("tea", Image_Src="/2.svg", Image_Position="3"),
        row("tea", Image_Src="/last.svg"),
    )
    images = page_services.get_product(key="tea")["images"]
    assert [(image["url"], image["alt"]) for image in images] == [
        ("/1.svg", "One"),
        ("/2.svg", "Two"),
        ("/last.svg", ""),
    ]


def test_html_is_cleaned_a_path_makes_categories_an_empty_stock_is_none(load: Callable[..., Summary]) -> None:
    load(plain("tea", **{"Body_(HTML)": "<p onload=x>Hot<script>x</script></p>"}, Type="Food > Drinks"))
    tea = page_services.get_product(key="tea")
    assert (tea["description"], tea["stock"]) == ("<p>Hot</p>", 0)
    assert [crumb["name"] for crumb in tea["breadcrumbs"]] == ["Food", "Drinks"]


@pytest.mark.parametrize(("before", "kept"), [("150", "150.00"), ("100", None), ("99", None), ("0", None), ("", None)])
def test_the_price_before_is_kept_when_it_is_above_the_price(
    load: Callable[..., Summary], before: str, kept: str | None
) -> None:
    assert load(plain("tea", Variant_Compare_At_Price=before)).problems == []
    price = page_services.get_product(key="tea")["compare_at_price"]
    assert (price and str(price)) == kept


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (plain("bad", Variant_Price=""), "line 3: bad: has no Variant Price"),
        (plain("bad", Variant_Price="ten"), "line 3: bad: price: Input should be a valid decimal"),
        (plain("bad", Variant_Price="-5"), "line 3: bad: price: Input should be greater than 0"),
        (plain("bad", Variant_Price="1.999"), "line 3: bad: price: Decimal input should have no more than 2"),
        (plain("bad", Variant_Inventory_Qty="-2"), "line 3: bad: stock: Input should be greater than or equal to 0"),
        (plain("bad", Variant_Inventory_Qty="many"), "line 3: bad: stock: Input should be a valid integer"),
        (plain("bad", Variant_Inventory_Qty="9" * 30), "line 3: bad: stock: Input should be a valid integer"),
        (plain("bad", Variant_Compare_At_Price="much"), "line 3: bad: compare_at_price: Input should be a valid"),
        (plain("bad", title=""), "line 3: bad: name: String should have at least 1 character"),
        (plain("bad", Image_Src="nowhere"), "line 3: bad: url: must start with https://"),
        (plain("bad", Published="FALSE"), "line 3: bad: is not published"),
        (plain("bad", Type="x" * 121), "line 3: bad: category: must be 1 to 10 names"),
        (plain("bad", Variant_SKU="GOOD"), "line 3: bad: has the SKU of another product, good"),
        (plain("GOOD"), "line 3: good: has the same slug as the product of line 2"),
        (plain("bad", title="caf\udce9"), "line 3: is not UTF-8"),
        (plain("bad", title="a\x00b"), "line 3: holds NUL characters"),
        (plain("bad") + ",more", "line 3: bad: has 16 cells under 15 columns"),
        (plain(""), "line 3: has no Handle"),
        (sized("bad", "", title="Tea"), "line 3: bad: options.Size: String should have at least 1 character"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_spoils_no_other(
    load: Callable[..., Summary], bad: str, reason: str
) -> None:
    summary = load(plain("good", Variant_SKU="GOOD"), bad, plain("also-good"))
    assert told(summary)[0].startswith(reason)
    assert {problem.line for problem in summary.problems} == {3}
    assert {"good", "also-good"} <= {one["slug"] for one in search_services.list_products().items}
    assert summary.rows == 3


def test_a_bad_row_spoils_no_other_of_its_own_product(load: Callable[..., Summary]) -> None:
    summary = load(
        sized("shirt", "S", title="Shirt"),
        sized("shirt", "M", Variant_Price="?", Image_Src="/m.svg"),
        sized("shirt", "s"),
        sized("shirt", "L", Variant_SKU="L"),
        sized("shirt", "XL", Variant_SKU="l"),
        row("shirt"),
        plain("tea"),
        sized("shirt", "XXL"),
    )
    assert told(summary) == [
        "line 3: shirt: price: Input should be a valid decimal",
        "line 4: shirt: has the same options as line 2",
        "line 6: shirt: has the same SKU as line 5",
        "line 7: shirt: has neither a variant nor a picture",
        "line 9: shirt: its other rows ended in line 7: put them together",
    ]
    shirt = page_services.get_product(key="shirt")
    assert [variant["options"]["Size"] for variant in shirt["variants"]] == ["S", "L"]
    assert shirt["image_url"] == "/m.svg"


def test_a_changed_file_changes_what_differs_and_keeps_the_rest(load: Callable[..., Summary]) -> None:
    load(sized("shirt", "S", title="Shirt", Variant_Inventory_Qty="3"), sized("shirt", "M"), plain("tea"))
    before = page_services.get_product(key="shirt")
    tea = page_services.get_product(key="tea")
    summary = load(
        sized("shirt", "s", title="Best shirt", Variant_Inventory_Qty="5", Variant_Price="90"),
        sized("shirt", "L"),
        plain("tea"),
    )
    assert summary.products == {"changed": 1, "unchanged": 1}
    after = page_services.get_product(key="shirt")
    assert (after["id"], after["name"], after["version"]) == (before["id"], "Best shirt", before["version"] + 1)
    small, large = after["variants"]
    assert (small["id"], small["options"], str(small["price"])) == (before["variants"][0]["id"], {"Size": "s"}, "90.00")
    assert large["id"] not in {variant["id"] for variant in before["variants"]}
    moves = [(move["delta"], move["reason"]) for move in stock.list_movements(variant_id=small["id"]).items]
    assert moves == [(2, "import"), (3, "initial")]
    assert page_services.get_product(key="tea") == tea


def test_a_variant_is_known_by_its_sku_when_its_option_is_renamed(load: Callable[..., Summary]) -> None:
    load(sized("shirt", "S", title="Shirt", Variant_SKU="A"))
    before = page_services.get_product(key="shirt")["variants"][0]["id"]
    load(sized("shirt", "Small", title="Shirt", Variant_SKU="a"))
    assert [variant["id"] for variant in page_services.get_product(key="shirt")["variants"]] == [before]


def test_a_row_that_went_bad_does_not_take_its_variant_out_of_the_shop(load: Callable[..., Summary]) -> None:
    load(sized("shirt", "S", title="Shirt"), sized("shirt", "M"))
    load(sized("shirt", "S", title="Shirt"), sized("shirt", "M", Variant_Price="?"))
    assert len(page_services.get_product(key="shirt")["variants"]) == 2


def test_an_empty_type_leaves_the_category_that_staff_chose(load: Callable[..., Summary]) -> None:
    load(plain("tea"))
    tea_id = page_services.get_product(key="tea")["id"]
    services.change_product(product_id=tea_id, fields={"category": "Drinks"}, actor_id=None)
    assert load(plain("tea")).products == {"unchanged": 1}


def test_a_spreadsheets_mark_and_semicolons_are_no_trouble(load: Callable[..., Summary]) -> None:
    assert load("tea;Chai;100", header="\ufeffHandle;Title;Variant Price").products == {"new": 1}
    assert page_services.get_product(key="tea")["name"] == "Chai"


def test_a_quote_that_is_never_closed_is_told_with_the_line_it_began_in(load: Callable[..., Summary]) -> None:
    summary = load(plain("good"), 'bad,"Tea', *["x" * 1000] * 1100)
    assert told(summary)[0] == "line 3: cannot be read as CSV: field larger than field limit (1000000)"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"Name,Price\nTea,1\n", "must name the columns"),
        ("Handle,Title,Variant Price".encode("utf-16"), "UTF-16"),
        (b"ID,Type,SKU,Name,Regular price\n", "WooCommerce"),
        (b"Handle,Title,Variant Price\n", "No product"),
        (b"Handle,Title,Variant Price\ntea,Tea,\n", "line 2: tea: has no Variant Price"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_says_so(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=reason):
        import_services.import_file(path)


def test_what_is_exported_makes_the_same_shop_again(tmp_path: Path, load: Callable[..., Summary]) -> None:
    for file in ("apparel.csv", "home-and-garden.csv"):
        import_services.import_file(DATA / file)
    fields: dict[str, Any] = {
        "name": 'Odd, "quoted" 🥭',
        "description": "<p>two\nlines</p>",
        "category": "A > B",
        "options": ["Size", "Colour; or = so"],
        "variants": [
            {"options": {"Size": "M, L", "Colour; or = so": "'Red'"}, "sku": "=1+1", "price": "0.05", "stock": 7}
        ],
        "images": [{"url": "/a,b.svg", "alt": 'Said "yes"'}],
    }
    services.create_product(fields=NewProduct(**fields).given(), actor_id=None)
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    with first.open("w", newline="") as file:
        assert export_services.export_products(file) == 41
    assert import_services.import_file(first).products == {"unchanged": 41}
    for item in search_services.list_products(limit=100).items:
        services.delete_product(product_id=item["id"], actor_id=None)
    assert import_services.import_file(first).products == {"new": 41}
    with second.open("w", newline="") as file:
        export_services.export_products(file)
    assert second.read_text() == first.read_text()


def test_the_commands_tell_what_they_did(app: APIFlask, tmp_path: Path) -> None:
    shell = app.test_cli_runner()
    good = shell.invoke(args=["catalogue", "import", str(DATA / "apparel.csv")])
    assert (good.exit_code, good.stdout) == (
        0,
        "20 products: 20 new, 0 changed, 0 unchanged, 0 refused. 22 rows, 0 reported.\n",
    )
    out = tmp_path / "out.csv"
    assert shell.invoke(args=["catalogue", "export", str(out)]).stdout == f"20 products written to {out}.\n"
    assert shell.invoke(args=["catalogue", "import", "--format", "duka", str(out)]).exit_code == 0
    for args in (["import", str(tmp_path / "none.csv")], ["import", str(out), "--format", "woocommerce"]):
        refused = shell.invoke(args=["catalogue", *args])
        assert (refused.exit_code, refused.stderr.startswith("Error: ")) == (1, True)


def test_a_long_import_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch, load: Callable[..., Summary]) -> None:
    heard: list[int] = []
    monkeypatch.setattr(import_services, "TELL_EVERY", 2)
    import_services.import_file(DATA / "apparel.csv", tell=lambda summary: heard.append(summary.rows))
    assert heard[:2] == [4, 6]
    assert len(heard) == 10
