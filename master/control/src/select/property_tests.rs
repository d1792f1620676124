//! Made-up patterns against an evaluator that is too simple to be wrong.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use store::Host;
use testing::host;

use crate::select::Pattern;

/// A term as it is written, and the hosts for which it holds.
#[derive(Debug, Clone)]
struct Naive {
    text: String,
    holds: BTreeSet<String>,
}

fn fleet() -> Vec<Host> {
    let zones = ["a", "b", "c"];
    (0..12)
        .map(|number| {
            let (role, zone) = (if number % 3 == 0 { "db" } else { "web" }, zones[number % 2]);
            host(&format!("{role}-{number}"), &[&format!("role={role}"), &format!("zone={zone}")])
        })
        .collect()
}

fn naive(text: String, holds: impl Fn(&Host) -> bool) -> Naive {
    let hosts = fleet().into_iter().filter(|host| holds(host));
    Naive { text, holds: hosts.map(|host| host.name.into()).collect() }
}

/// `*` and `?`, tried in every way.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|skipped| glob(rest, &text[skipped..])),
        [b'?', rest @ ..] => !text.is_empty() && glob(rest, &text[1..]),
        [first, rest @ ..] => text.first() == Some(first) && glob(rest, &text[1..]),
    }
}

fn has(host: &Host, key: &str, value: &str) -> bool {
    let fits = |pattern: &str, text: &str| glob(pattern.as_bytes(), text.as_bytes());
    host.labels.iter().any(|(k, v)| fits(key, k) && fits(value, v))
}

fn term() -> impl Strategy<Value = Naive> {
    let text = "[-*?webd0-9]{1,6}".prop_filter("not a word of its own", |text| text != "all");
    let name = any::<Index>().prop_map(|index| index.get(&fleet()).name.clone());
    let key = select(vec!["role", "zone", "*", "ro?e", "z*"]);
    let value = select(vec!["web", "db", "a", "b", "*", "w*", "?"]);
    prop_oneof![
        Just(naive("all".to_owned(), |_| true)),
        name.prop_map(|name| naive(name.to_string(), |host| host.name == name)),
        text.prop_map(|text| {
            naive(text.clone(), |host| glob(text.as_bytes(), host.name.as_str().as_bytes()))
        }),
        (key, value)
            .prop_map(|(key, value)| naive(format!("{key}={value}"), |host| has(host, key, value))),
        select(vec!["web", "db", "d"]).prop_map(|start| {
            naive(format!("~{start}"), |host| host.name.as_str().starts_with(start))
        }),
    ]
}

/// The terms of each kind, and the numbers by which they are shuffled.
fn patterns() -> impl Strategy<Value = (Vec<Naive>, Vec<Naive>, Vec<Naive>, Vec<u32>)> {
    let terms = |most| prop::collection::vec(term(), 0..=most);
    (terms(3), terms(2), terms(2), prop::collection::vec(any::<u32>(), 7))
        .prop_filter("there is a term", |(a, b, c, _)| {
            !(a.is_empty() && b.is_empty() && c.is_empty())
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_pattern_means_what_its_terms_mean((or, and, not, shuffle) in patterns()) {
        let hosts = fleet();
        let written = |operator, terms: &[Naive]| -> Vec<String> {
            terms.iter().map(|term| format!("{operator}{}", term.text)).collect()
        };
        let mut words = [written("", &or), written("&", &and), written("!", &not)].concat();
        let mut keys = shuffle.iter();
        words.sort_by_cached_key(|_| keys.next());
        let mut text = words[0].clone();
        for (word, number) in words[1..].iter().zip(&shuffle) {
            text += if number % 2 == 0 { ":" } else { "," };
            text += word;
        }
        let found = Pattern::parse(&text).unwrap().select(&hosts).map(|hosts| {
            hosts.iter().map(|host| host.name.to_string()).collect::<Vec<_>>()
        });

        let meant: BTreeSet<String> = hosts
            .iter()
            .map(|host| host.name.to_string())
            .filter(|name| or.is_empty() || or.iter().any(|term| term.holds.contains(name)))
            .filter(|name| and.iter().all(|term| term.holds.contains(name)))
            .filter(|name| !not.iter().any(|term| term.holds.contains(name)))
            .collect();
        let dead = or.iter().chain(&and).chain(&not).any(|term| term.holds.is_empty());
        if dead || meant.is_empty() {
            prop_assert!(found.is_err(), "{text} found {found:?}");
        } else {
            let found = found.unwrap();
            prop_assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), meant, "{}", text);
            prop_assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "{}", text);
        }
    }

    #[test]
    fn no_text_makes_the_parser_fall(text in r"[-a-c0-2*?\[\]!&:,=~(){}\\^ ]{0,24}") {
        if let Ok(pattern) = Pattern::parse(&text) {
            let hosts = fleet();
            prop_assert!(pattern.select(&hosts).map_or(true, |hosts| !hosts.is_empty()));
        }
    }
}
