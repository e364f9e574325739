//! The input of a request, as far as it could be parsed. It is judged after the caller's rights and the
//! state of what it concerns: 404, 403 and 409 come before 400. What can be wrong only with other data,
//! such as a name that is taken, is reported together with what is wrong already.

use super::error::{FieldErrors, Result};

/// A value of which wrong fields are missing, and their errors.
#[derive(Clone, Debug)]
pub struct Input<T> {
    /// What could be read.
    pub value: T,
    /// What is wrong so far.
    pub errors: FieldErrors,
}

impl<T> Input<T> {
    /// Whether nothing is wrong so far.
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// The value, if nothing is wrong.
    pub fn into_valid(self) -> Result<T> {
        self.errors.into_result().map(|()| self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_valid_until_there_is_an_error() {
        let mut input = Input { value: 7, errors: FieldErrors::default() };
        assert!(input.is_valid());
        assert_eq!(input.clone().into_valid().ok(), Some(7));
        input.errors.add("name", "This field is required.");
        assert!(!input.is_valid() && input.into_valid().is_err());
    }
}
