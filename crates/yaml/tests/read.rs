//! Documents as values of Rust's types: what Go fills so is filled so, and what is wrong is shown where it is.

use std::collections::BTreeMap;

use serde::Deserialize;
use shipway_yaml::{Spanned, parse};

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Shop {
    name: String,
    open: bool,
    floors: Option<u8>,
    rate: f64,
    tills: Vec<Spanned<String>>,
    labels: BTreeMap<String, String>,
    owner: Option<Owner>,
    kind: Kind,
    rest: Option<serde_json::Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Owner {
    name: String,
    #[serde(default)]
    phone: Option<Spanned<Phone>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
struct Phone(String);

impl TryFrom<String> for Phone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('+') { Ok(Self(text)) } else { Err(format!("`{text}` does not begin with `+`")) }
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    #[default]
    Stall,
    Chain {
        stores: u32,
    },
    Named(String),
}

fn read(text: &str) -> Result<Shop, String> {
    let document = parse("shop.yaml", text).expect("it is YAML").remove(0);
    document.read().map_err(|error| error.report().to_string())
}

#[test]
fn fields_are_filled_as_go_fills_them() {
    let json = serde_json::json!({"a": [1, 2.5, null, "x"], "date": "2001-01-01T00:00:00Z"});
    for (text, expected) in [
        ("name: Shop", Shop { name: "Shop".into(), ..Shop::default() }),
        ("name: 1.10", Shop { name: "1.10".into(), ..Shop::default() }),
        ("name: 0123", Shop { name: "0123".into(), ..Shop::default() }),
        ("name: true", Shop { name: "true".into(), ..Shop::default() }),
        ("name: 2001-01-01", Shop { name: "2001-01-01".into(), ..Shop::default() }),
        ("name: !!binary aGk=", Shop { name: "hi".into(), ..Shop::default() }),
        ("open: yes", Shop { open: true, ..Shop::default() }),
        ("open: 'on'", Shop { open: true, ..Shop::default() }),
        ("open: False", Shop::default()),
        ("floors: 0x1f", Shop { floors: Some(31), ..Shop::default() }),
        ("floors: 1e2", Shop { floors: Some(100), ..Shop::default() }),
        ("rate: 2", Shop { rate: 2.0, ..Shop::default() }),
        (
            "labels: {a: 1, 2: b}",
            Shop {
                labels: BTreeMap::from([("2".into(), "b".into()), ("a".into(), "1".into())]),
                ..Shop::default()
            },
        ),
        (
            "owner: {name: Ann, age: 3}",
            Shop { owner: Some(Owner { name: "Ann".into(), phone: None }), ..Shop::default() },
        ),
        ("kind: stall", Shop::default()),
        ("kind: {chain: {stores: 3}}", Shop { kind: Kind::Chain { stores: 3 }, ..Shop::default() }),
        ("kind: {named: x}", Shop { kind: Kind::Named("x".into()), ..Shop::default() }),
        ("rest: {a: [1, 2.5, ~, x], date: 2001-01-01}", Shop { rest: Some(json), ..Shop::default() }),
        ("name:\nopen:\nfloors:\nrate: ~\ntills:\nlabels: null\nowner:\n", Shop::default()),
        ("{}", Shop::default()),
        ("# nothing\n---\n", Shop::default()),
        (
            "rest: &a {x: 1}\nlabels: {<<: *a, x: 2, y: z}",
            Shop {
                rest: Some(serde_json::json!({"x": 1})),
                labels: BTreeMap::from([("x".into(), "2".into()), ("y".into(), "z".into())]),
                ..Shop::default()
            },
        ),
    ] {
        assert_eq!(read(text), Ok(expected), "{text}");
    }
}

#[test]
fn a_value_can_be_had_with_its_place() {
    let shop = read("name: x\ntills:\n- first\n- 'second'\nowner: {name: A, phone: +1}\n").expect("it reads");
    let place = |span: shipway_yaml::Span| (span.start.line, span.start.column, span.range());
    let tills: Vec<_> = shop.tills.iter().map(|till| (&*till.value, place(till.span))).collect();
    assert_eq!(tills, [("first", (3, 3, 17..22)), ("second", (4, 3, 25..33))]);
    let phone = shop.owner.and_then(|owner| owner.phone).expect("a phone");
    assert_eq!((phone.value, place(phone.span)), (Phone("+1".into()), (5, 25, 58..60)));
    let elsewhere: Result<Spanned<String>, _> = serde_json::from_str("\"x\"");
    assert!(elsewhere.is_err());
}

#[test]
fn what_is_wrong_is_shown_at_its_place() {
    for (text, expected) in [
        ("nane: x", "shop.yaml:1:1: there is no field `nane` here\n  hint: did you mean `name`?"),
        (
            "name: x\nzip: 1",
            "shop.yaml:2:1: there is no field `zip` here\n  hint: these are known: name, open, floors, rate, tills, \
             labels, owner, kind, rest",
        ),
        (
            "zip:",
            "shop.yaml:1:1: there is no field `zip` here\n  hint: these are known: name, open, floors, rate, \
                  tills, labels, owner, kind, rest",
        ),
        ("name: [x]", "shop.yaml:1:7: expected a text, found a list"),
        ("open: 1", "shop.yaml:1:7: expected `true` or `false`, found `1`"),
        ("open: 'true'", "shop.yaml:1:7: expected `true` or `false`, found `true`"),
        ("floors: 300", "shop.yaml:1:9: expected an integer in range, found `300`"),
        ("floors: 1.5", "shop.yaml:1:9: expected an integer, found `1.5`"),
        ("rate: x", "shop.yaml:1:7: expected a number, found `x`"),
        ("tills: x", "shop.yaml:1:8: expected a list, found `x`"),
        ("tills:\n- a\n- {b: c}", "shop.yaml:3:3: expected a text, found a mapping"),
        ("labels:\n  a: [b]", "shop.yaml:2:6: expected a text, found a list"),
        ("owner: {age: 3}", "shop.yaml:1:8: `name` is missing"),
        ("owner: [a]", "shop.yaml:1:8: expected a mapping, found a list"),
        ("owner:\n  name: A\n  phone: 12", "shop.yaml:3:10: `12` does not begin with `+`"),
        ("kind: stal", "shop.yaml:1:7: `stal` is not known here\n  hint: did you mean `stall`?"),
        ("kind: {chain: {stores: x}}", "shop.yaml:1:24: expected an integer, found `x`"),
        ("kind: chain", "shop.yaml:1:7: a value is missing after this word"),
        ("kind: {a: 1, b: 2}", "shop.yaml:1:7: expected a text, or a mapping with one key, found a mapping"),
        ("- name: x", "shop.yaml:1:1: expected a mapping, found a list"),
        (
            "name: a\nname: b",
            "shop.yaml:2:1: the key `name` comes twice\n  hint: it is already in line 1; remove one \
                              of the two",
        ),
        ("floors: !!int x", "shop.yaml:1:15: `x` is not a value of the tag `!!int`"),
    ] {
        assert_eq!(read(text), Err(expected.to_owned()), "{text}");
    }
}
