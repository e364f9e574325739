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
    }
}
