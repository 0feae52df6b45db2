//! What a request must bring.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use subtle::ConstantTimeEq;

use crate::HttpError;

/// The longest token.
const MAX_BYTES: usize = 1_024;

/// A secret that requests bring as `Authorization: Bearer TOKEN`. Its text is in no message, and is
/// compared in a time that does not depend on where it differs.
///
/// ```
/// use squall_http::Token;
///
/// let token: Token = "3d9f1c".parse()?;
/// assert_eq!(format!("{token:?}"), "Token");
/// assert!("two words".parse::<Token>().is_err());
/// # Ok::<(), squall_http::HttpError>(())
/// ```
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Reads it from a file; white space around it is left out.
    ///
    /// # Errors
    /// Where the file cannot be read, or what is in it is not a token.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, HttpError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|cause| HttpError::TokenFile {
            path: path.to_owned(),
            cause,
        })?;
        text.trim().parse()
    }

    /// Whether this is the value of an `Authorization` header that brings the token.
    pub(crate) fn is_brought_by(&self, authorization: &[u8]) -> bool {
        const SCHEME: &[u8] = b"bearer ";
        let Some((scheme, token)) = authorization.split_at_checked(SCHEME.len()) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(SCHEME) && token.ct_eq(self.0.as_bytes()).into()
    }
}

impl FromStr for Token {
    type Err = HttpError;

    fn from_str(text: &str) -> Result<Self, HttpError> {
        if text.is_empty() {
            return Err(HttpError::Token("is empty"));
        }
        if text.len() > MAX_BYTES {
            return Err(HttpError::Token("is too long"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HttpError::Token("has other characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_counts() {
        let token: Token = "3d9f1c".parse().unwrap();
        assert!(token.is_brought_by(b"Bearer 3d9f1c"));
        assert!(token.is_brought_by(b"bearer 3d9f1c"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 3d9f1",
            "Bearer 3d9f1d",
            "Bearer 3d9f1cc",
            "Basic 3d9f1c",
            "3d9f1c",
        ] {
            assert!(!token.is_brought_by(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_file_has_one_token_and_no_message_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "3d9f1c\n").unwrap();
        assert!(Token::read(&file).unwrap().is_brought_by(b"Bearer 3d9f1c"));
        for (content, part) in [("", "is empty"), ("a\nb", "other characters")] {
            std::fs::write(&file, content).unwrap();
            let error = Token::read(&file).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let error = Token::read(folder.path().join("none")).unwrap_err();
        assert!(error.to_string().starts_with("cannot read the token from"));
        let secret = "secret words".parse::<Token>().unwrap_err();
        assert!(!format!("{secret} {secret:?}").contains("words"));
    }
}
