//! Where somebody goes after signing in: a path of this site, and nothing that could lead elsewhere.

/// The path, if it is one of ours.
pub fn checked(path: &str) -> Option<&str> {
    let mut bytes = path.bytes();
    let rooted = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
    // Browsers drop control characters and read a backslash as a slash.
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (rooted && plain && path.len() <= 2_000).then_some(path)
}

/// `next=…` for the query of a link to the sign-in page.
pub fn query(path: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("next", path)
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_returned_to() {
        for path in ["/", "/w/wsp_1/keys?cursor=a&limit=2"] {
            assert_eq!(checked(path), Some(path));
        }
        for elsewhere in [
            "",
            "w/1",
            "//evil.example",
            "/\\evil.example",
            "/a\\b",
            "https://evil.example",
            "/\t/evil.example",
            "/w/ü",
        ] {
            assert_eq!(checked(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn the_query_is_escaped() {
        assert_eq!(query("/w/1?a=b&c=d"), "next=%2Fw%2F1%3Fa%3Db%26c%3Dd");
    }
}
