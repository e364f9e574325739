//! Names of variables that are almost a setting's, or that nothing reads.

use strsim::osa_distance;

use crate::config::{Config, Variables};

use super::finding::Finding;

/// The prefixes of the variables of `createsuperuser`.
const SUPERUSER: [&str; 2] = ["DJANGO_SUPERUSER_", "MEOWSENGER_SUPERUSER_"];

pub(super) fn check(environment: &Variables, file: &Variables) -> Vec<Finding> {
    let known = Config::names();
    let is_known = |name: &str| {
        known.iter().any(|one| one == name) || SUPERUSER.iter().any(|one| name.starts_with(one))
    };
    let mut findings = Vec::new();
    // The environment is full of other programs' variables.
    for name in environment.keys().filter(|name| !is_known(name)) {
        if let Some(meant) = nearest(name, &known, 1) {
            findings.push(Finding::new(
                "settings.W101",
                name,
                format!("{name} is set in the environment, but there is no such setting."),
                format!("Did you mean {meant}?"),
            ));
        }
    }
    for name in file.keys().filter(|name| !is_known(name)) {
        let hint = match nearest(name, &known, 2) {
            Some(meant) => format!("Did you mean {meant}?"),
            None => "Remove it: only the server reads this file.".to_owned(),
        };
        let text = format!("{name} is set in .env, but there is no such setting.");
        findings.push(Finding::new("settings.W102", name, text, hint));
    }
    findings
}

/// The known name that differs in the fewest letters (missing, added, wrong or swapped), ignoring case.
fn nearest<'a>(name: &str, known: &'a [String], most: usize) -> Option<&'a str> {
    let name = name.to_ascii_uppercase();
    let distances = known.iter().map(|one| (osa_distance(&name, one), one));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, one)| one.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_typo_is_found() {
        let known = Config::names();
        for (typo, meant) in [
            ("ALLOWED_HOST", Some("ALLOWED_HOSTS")),
            ("PUBILC_URL", Some("PUBLIC_URL")),
            ("debug", Some("DEBUG")),
            ("SECRET_KEY_FLE", Some("SECRET_KEY_FILE")),
            ("PATH", None),
            ("HOME", None),
            ("LANG", None),
        ] {
            assert_eq!(nearest(typo, &known, 1), meant, "{typo}");
        }
    }
}
