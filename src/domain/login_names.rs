//! Usernames and e-mail addresses, by which users log in: the rules for both, and the keys by which they
//! are unique. Whether a name is taken is decided by the database.

use super::text;

/// Longest username, first name and last name, in characters.
pub const NAME_MAX: usize = 150;
/// Longest e-mail address, in characters (Django's `EmailField`).
pub const EMAIL_MAX: usize = 254;

/// A valid username: 1–150 Unicode letters, digits and `@.+-_`, in NFKC (Django's rule).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

/// The prefix of an anonymised account's username; its id follows.
pub(super) const ANONYMISED: &str = "deleted_";
/// Django's text.
pub const TAKEN: &str = "A user with that username already exists.";

impl Username {
    /// Normalises and validates; the error is Django's text.
    pub fn parse(value: &str) -> Result<Self, String> {
        text::check_present(value, NAME_MAX)?;
        let name = text::nfkc(value);
        if !name.chars().all(|c| text::is_word(c) || "@.+-".contains(c)) {
            return Err("Enter a valid username. This value may contain only letters, numbers, \
                        and @/./+/-/_ characters."
                .to_owned());
        }
        // NFKC can lengthen.
        text::check(&name, NAME_MAX)?;
        let number = text::fold(&name).strip_prefix(ANONYMISED).map(str::to_owned);
        if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(TAKEN.to_owned());
        }
        Ok(Self(name))
    }

    /// The displayed name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key by which it is unique.
    pub fn key(&self) -> String {
        text::fold(&self.0)
    }
}

/// A plausible e-mail address: a local part, one `@`, a domain with a dot or `localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Validates; the error is Django's text. The domain is lower-cased, as Django's
    /// `normalize_email` does.
    pub fn parse(value: &str) -> Result<Self, String> {
        let invalid = || "Enter a valid email address.".to_owned();
        text::check(value, EMAIL_MAX)?;
        let (local, domain) = value.rsplit_once('@').ok_or_else(invalid)?;
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c));
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let domain = domain.to_lowercase();
        let last = domain.rsplit('.').next().unwrap_or_default();
        let domain_ok = domain == "localhost"
            || (domain.contains('.')
                && domain.split('.').all(label_ok)
                && last.chars().count() > 1
                && !last.chars().all(|c| c.is_ascii_digit()));
        if !local_ok || !domain_ok {
            return Err(invalid());
        }
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key by which it is unique.
    pub fn key(&self) -> String {
        text::fold(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_follow_djangos_rule() {
        for good in ["a", "zoë", "Иван.П", "猫+1", "x@y_z-1", "ＭＥＯＷ"] {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        assert_eq!(
            Username::parse("ＭＥＯＷ").map(|n| n.as_str().to_owned()).as_deref(),
            Ok("MEOW")
        );
        for bad in ["", " ", "a b", "a/b", "a\0b", "a\u{200d}b", "🐈"] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Username::parse(&"a".repeat(150)).is_ok());
        assert!(Username::parse(&"a".repeat(151)).is_err());
        // A character that becomes three by NFKC: 60 of them are under the limit, 180 are not.
        assert!(Username::parse(&"\u{fb03}".repeat(60)).is_err());
    }

    #[test]
    fn emails_are_checked_and_their_domain_lowered() {
        assert_eq!(
            Email::parse("Zoe@Example.COM").map(|e| e.as_str().to_owned()).as_deref(),
            Ok("Zoe@example.com")
        );
        for bad in
            ["", "a", "a@", "@b.c", "a@b", "a b@c.de", "a..b@c.de", "a@c.d", "a@-c.de", "a@1.2.3.4"]
        {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        for bad in [
            ".a@b.cd",
            "a.@b.cd",
            "a\u{e9}@b.cd",
            "a@b-.cd",
            "a@.b.cd",
            "a@b..cd",
            "a@b_c.de",
            "a@cd",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["a.b+c@d.ef", "!#$%&'*+/=?^_`{|}~-@b.cd", "a@localhost", "a@b-c.de", "a@1.de"]
        {
            assert!(Email::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn the_parts_of_an_address_have_limits() {
        let is_ok = |local: usize, label: usize, labels: usize| {
            let domain = vec!["d".repeat(label); labels].join(".");
            Email::parse(&format!("{}@{domain}.de", "l".repeat(local))).is_ok()
        };
        assert!(is_ok(64, 63, 1) && !is_ok(65, 63, 1) && !is_ok(64, 64, 1));
        // 59 + 1 + 191 + 3 is 254.
        assert!(is_ok(59, 63, 3) && !is_ok(60, 63, 3));
    }

    #[test]
    fn keys_are_equal_in_any_case_and_names_of_anonymised_accounts_are_taken() {
        let key = |name: &str| Username::parse(name).expect("a name").key();
        assert_eq!((key("Straße"), key("ΣΑΣ")), (key("STRASSE"), key("σας")));
        assert_ne!(key("meow"), key("meows"));
        let key = |address: &str| Email::parse(address).expect("an address").key();
        assert_eq!(key("Zoe@a.de"), key("zoE@A.de"));
        assert_ne!(key("zoe@a.de"), key("zoe@b.de"));
        for taken in ["deleted_1", "Deleted_12", "deleted_"] {
            assert_eq!(Username::parse(taken), Err(TAKEN.to_owned()), "{taken}");
        }
        for free in ["deleted_x", "deleted_1x", "1", "undeleted_1"] {
            assert!(Username::parse(free).is_ok(), "{free}");
        }
    }
}
