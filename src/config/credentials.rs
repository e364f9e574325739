//! URLs that may hold a user name and a password. No error quotes them.

use url::Url;

/// What is usually wrong with a URL that has a password.
pub(super) const ENCODE: &str = "special characters in a user name or password must be %-encoded, \
                                 such as %40 for @, %2F for / and %25 for %";

/// Parses a URL. One whose password contains `/`, `?` or `#` would otherwise be read as another URL, with
/// the user name as its host.
pub(super) fn url(value: &str) -> Result<Url, String> {
    let url = Url::parse(value).map_err(|_| format!("is not a valid URL; {ENCODE}"))?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    let rest = [url.path(), url.query().unwrap_or_default()];
    if url.fragment().is_some() || !has_user && rest.iter().any(|part| part.contains('@')) {
        return Err(format!("is not a valid URL; {ENCODE}"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_not_encoded_is_refused() {
        for bad in ["p/w", "p?w", "p#w", "12/3", "12?3", "12#3", "#12"] {
            let error = url(&format!("postgres://meow:{bad}@db/meow")).expect_err(bad);
            assert!(error.contains("%-encoded") && !error.contains(bad), "{error}");
        }
        for fine in ["p%2Fw", "p@w", "p:w", "p%w"] {
            assert_eq!(
                url(&format!("postgres://meow:{fine}@db/meow")).expect(fine).host_str(),
                Some("db")
            );
        }
        assert!(url("postgres:///meow?host=/run/postgresql").is_ok());
    }
}
