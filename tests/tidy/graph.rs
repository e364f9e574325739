//! Which file of the crate names which, and the cycles among them. Tests are left out: they may name
//! everything.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::named;
use super::source::Source;
use super::tokens::Token;

/// The cycles: groups of files of which each leads to each other, with the references among them.
/// Without any, the files can be read in an order in which each names only earlier ones.
pub(crate) fn cycles(sources: &[Source]) -> Vec<Cycle> {
    let onward = references(sources);
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        onward.keys().map(|from| (from.as_str(), reachable(&onward, from))).collect();
    let mut cycles: Vec<Cycle> = Vec::new();
    for (file, others) in &reached {
        let back = |other: &&str| reached.get(other).is_some_and(|set| set.contains(file));
        let files: Vec<String> =
            others.iter().filter(|other| back(other)).map(|other| (*other).to_owned()).collect();
        if !files.is_empty() && !cycles.iter().any(|cycle| cycle.files == files) {
            let among = |to: &&String| files.contains(to);
            let links = files.iter().flat_map(|from| {
                onward[from].iter().filter(among).map(move |to| format!("{from} names {to}"))
            });
            cycles.push(Cycle { links: links.collect(), files });
        }
    }
    cycles
}

pub(crate) struct Cycle {
    pub(crate) files: Vec<String>,
    /// Which file names which.
    pub(crate) links: Vec<String>,
}

type References = BTreeMap<String, BTreeSet<String>>;

/// The files that a file leads to; among them itself, if it is on a cycle.
fn reachable<'a>(onward: &'a References, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in onward.get(file).into_iter().flatten() {
            if seen.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    seen
}

/// Each file, with those that it names.
fn references(sources: &[Source]) -> References {
    let modules = Modules::new(sources);
    let mut onward = References::new();
    for source in sources.iter().filter(|source| !source.is_test() && has_module(source)) {
        let source = source.without_tests();
        for reference in named(&source, &children(&source)) {
            let handed_on = reference.reexported && !uses(&source, reference.path.last());
            let file = modules.file_of(&reference.path);
            if let Some(file) = file.filter(|file| *file != source.path && !handed_on) {
                onward.entry(source.path.clone()).or_default().insert(file.to_owned());
            }
        }
    }
    onward
}

/// The crate's roots may name everything, and nothing names them.
fn has_module(source: &Source) -> bool {
    !source.module_path().is_empty()
}

/// Whether a file that re-exports a name also uses it.
fn uses(source: &Source, name: Option<&String>) -> bool {
    name.is_some_and(|name| source.tokens.iter().filter(|t| t.code() == name).count() > 1)
}

/// The modules that a file declares.
fn children(source: &Source) -> Vec<String> {
    let declares = |three: &&[Token]| three[0].code() == "mod" && three[2].code() == ";";
    source.tokens.windows(3).filter(declares).map(|three| three[1].text.clone()).collect()
}

/// Where items are defined.
struct Modules<'a> {
    files: BTreeMap<Vec<String>, &'a str>,
    /// Re-exported names, each with the path behind it.
    aliases: BTreeMap<Vec<String>, Vec<String>>,
}

impl<'a> Modules<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let mut modules = Self { files: BTreeMap::new(), aliases: BTreeMap::new() };
        for source in sources.iter().filter(|source| has_module(source)) {
            let module = source.module_path();
            for reference in named(source, &children(source)) {
                if let Some(name) = reference.path.last().filter(|_| reference.reexported) {
                    let mut alias = module.clone();
                    alias.push(name.clone());
                    modules.aliases.insert(alias, reference.path.clone());
                }
            }
            modules.files.insert(module, &source.path);
        }
        modules
    }

    /// The file that defines what a path names: that of its deepest module.
    fn file_of(&self, path: &[String]) -> Option<&'a str> {
        for end in (1..=path.len()).rev() {
            let part = &path[..end];
            if let Some(file) = self.files.get(part) {
                return Some(file);
            }
            if let Some(target) = self.aliases.get(part).filter(|to| !to.starts_with(part)) {
                return self.file_of(target);
            }
        }
        None
    }
}
