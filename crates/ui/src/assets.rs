//! The files that pages refer to, built into the binary and served under names that change with their content, so that
//! a browser may keep them for ever.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// The URL folder that every asset is served under.
pub const BASE: &str = "/assets/";

/// What an asset's answer should carry: its URL changes when its bytes do.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// Which asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    Css,
    Js,
    Htmx,
    Icons,
    Favicon,
}

/// One file, ready to be served.
#[derive(Debug)]
pub struct Asset {
    /// The URL path, such as `/assets/app.0f1e2d3c4b.css`.
    pub path: String,
    pub content_type: &'static str,
    pub bytes: &'static [u8],
    /// A strong entity tag, quotes included.
    pub etag: String,
}

struct Source {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

/// In the order of [`File`].
const SOURCES: [Source; 5] = [
    Source {
        stem: "app",
        extension: "css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../assets/app.css"),
    },
    Source {
        stem: "app",
        extension: "js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/app.js"),
    },
    Source {
        stem: "htmx",
        extension: "js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../assets/htmx.min.js"),
    },
    Source {
        stem: "icons",
        extension: "svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../assets/icons.svg"),
    },
    Source {
        stem: "favicon",
        extension: "svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../assets/favicon.svg"),
    },
];

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| SOURCES.map(Asset::from));

impl From<Source> for Asset {
    fn from(source: Source) -> Asset {
        let fingerprint = fingerprint(source.bytes);
        Asset {
            path: format!("{BASE}{}.{fingerprint}.{}", source.stem, source.extension),
            content_type: source.content_type,
            bytes: source.bytes,
            etag: format!("\"{fingerprint}\""),
        }
    }
}

/// Every asset; a server answers each of their paths.
pub fn all() -> &'static [Asset] {
    &*ASSETS
}

/// The asset that is served at this URL path.
pub fn find(path: &str) -> Option<&'static Asset> {
    all().iter().find(|asset| asset.path == path)
}

/// The URL path of an asset, fingerprint included.
pub fn href(file: File) -> &'static str {
    &ASSETS[file as usize].path
}

/// The first 40 bits of the SHA-256, in hex: enough to tell two releases of one file apart.
fn fingerprint(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(5)
        .fold(String::with_capacity(10), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_at_its_own_fingerprinted_path() {
        for (file, suffix) in [
            (File::Css, ".css"),
            (File::Js, ".js"),
            (File::Htmx, ".js"),
            (File::Icons, ".svg"),
            (File::Favicon, ".svg"),
        ] {
            let asset = find(href(file)).unwrap();
            assert!(
                asset.path.starts_with(BASE) && asset.path.ends_with(suffix),
                "{}",
                asset.path
            );
            assert!(asset.path.contains(asset.etag.trim_matches('"')));
        }
        assert!(href(File::Css).starts_with("/assets/app.") && href(File::Htmx).starts_with("/assets/htmx."));
        assert!(find("/assets/app.css").is_none());
    }

    #[test]
    fn another_content_has_another_name() {
        assert_ne!(fingerprint(b"a"), fingerprint(b"b"));
        assert_eq!(fingerprint(b"").len(), 10);
    }

    #[test]
    fn files_of_others_carry_their_licence_notice() {
        let htmx = std::str::from_utf8(find(href(File::Htmx)).unwrap().bytes).unwrap();
        assert!(htmx.starts_with("/*! htmx.org 4.0.1, Zero-Clause BSD"));
        let licences = include_str!("../assets/LICENSES.md");
        assert!(licences.contains("Zero-Clause BSD") && licences.contains("MIT License"));
    }
}
