//! Whether the scopes of a token are enough (RS-8).

use std::collections::{BTreeMap, BTreeSet};

use oauth_types::Scope;

/// Which scopes stand for others: whoever has `files:write` may read, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hierarchy {
    /// For each scope those that stand for it, over any number of steps.
    stand_for: BTreeMap<String, BTreeSet<String>>,
}

impl Hierarchy {
    /// The hierarchy of `implications`: pairs of a broad scope and one that it implies. They may form circles.
    pub(crate) fn of(implications: &[(Scope, Scope)]) -> Self {
        let mut stand_for: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (broad, narrow) in implications {
            for narrow in narrow.iter() {
                let own = stand_for.entry(narrow.to_owned()).or_default();
                own.extend(broad.iter().map(str::to_owned));
            }
        }
        loop {
            let further: Vec<(String, String)> = stand_for
                .iter()
                .flat_map(|(narrow, broad)| {
                    let above = broad.iter().filter_map(|broad| stand_for.get(broad)).flatten();
                    let new = above.filter(|above| !broad.contains(*above));
                    new.map(|above| (narrow.clone(), above.clone()))
                })
                .collect();
            if further.is_empty() {
                return Self { stand_for };
            }
            for (narrow, broad) in further {
                stand_for.entry(narrow).or_default().insert(broad);
            }
        }
    }

    /// Whether somebody who has `granted` may do what needs all of `needed`.
    pub(crate) fn suffices(&self, granted: &Scope, needed: &Scope) -> bool {
        needed.is_subset_of(granted) || needed.iter().all(|token| self.has(granted, token))
    }

    fn has(&self, granted: &Scope, token: &str) -> bool {
        granted.contains(token)
            || self.stand_for.get(token).is_some_and(|broad| granted.iter().any(|own| broad.contains(own)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    fn hierarchy(pairs: &[(&str, &str)]) -> Hierarchy {
        let pairs: Vec<_> = pairs.iter().map(|(broad, narrow)| (scope(broad), scope(narrow))).collect();
        Hierarchy::of(&pairs)
    }

    #[test]
    fn without_a_hierarchy_each_scope_stands_for_itself() {
        let none = Hierarchy::default();
        assert!(none.suffices(&scope("a b"), &scope("a")) && none.suffices(&scope(""), &scope("")));
        assert!(!none.suffices(&scope("a"), &scope("a b")) && !none.suffices(&scope("ab"), &scope("a")));
    }

    /// RS-8: hierarchies are accounted for.
    #[test]
    fn a_broad_scope_stands_for_the_narrow_ones_over_any_number_of_steps() {
        let files = hierarchy(&[("admin", "files"), ("files", "files:read files:write"), ("other", "x")]);
        assert!(files.suffices(&scope("admin"), &scope("files:read files:write files admin")));
        assert!(files.suffices(&scope("files x"), &scope("files:read x")));
        assert!(!files.suffices(&scope("files"), &scope("admin")));
        assert!(!files.suffices(&scope("files:write"), &scope("files:read")));
        assert!(!files.suffices(&scope("files"), &scope("files:read x")));
    }

    #[test]
    fn a_circle_makes_its_scopes_equal() {
        let circle = hierarchy(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")]);
        for (granted, needed) in [("a", "c"), ("c", "b"), ("b", "a"), ("d", "d")] {
            assert!(circle.suffices(&scope(granted), &scope(needed)), "{granted} {needed}");
        }
        assert!(!circle.suffices(&scope("a"), &scope("d")));
    }

    proptest! {
        /// What follows step by step follows at once, and nothing else does.
        #[test]
        fn the_closure_is_what_walking_finds(edges in prop::collection::vec((0_u8..6, 0_u8..6), 0..12), from in 0_u8..6) {
            let name = |node: u8| format!("s{node}");
            let pairs: Vec<_> = edges.iter().map(|(a, b)| (scope(&name(*a)), scope(&name(*b)))).collect();
            let hierarchy = Hierarchy::of(&pairs);
            let mut reached = BTreeSet::from([from]);
            for _ in 0..6 {
                let next: Vec<u8> = edges.iter().filter(|(a, _)| reached.contains(a)).map(|(_, b)| *b).collect();
                reached.extend(next);
            }
            for to in 0..6 {
                prop_assert_eq!(hierarchy.suffices(&scope(&name(from)), &scope(&name(to))), reached.contains(&to));
            }
        }
    }
}
