//! What the query of a content's address says: which output, and in which form.

use crate::domain::generation::Media;
use crate::openai::Problem;
use crate::openai::problem::shortened;

/// Which output is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Counted from 0.
    pub index: u32,
    variant: Variant,
}

/// A form of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// The file itself, whatever it is: `video` is what OpenAI's clients call it.
    File,
    /// The file, if it is of this kind.
    Of(Media),
}

impl Query {
    /// Reads a query; what it does not know is left unread, and of several the last counts.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut query = Self {
            index: 0,
            variant: Variant::File,
        };
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "index" => query.index = index(&value)?,
                "variant" => query.variant = Variant::parse(&value)?,
                _ => {}
            }
        }
        Ok(query)
    }

    /// Whether the form is one of what a task makes.
    pub fn check(self, media: Media) -> Result<(), Problem> {
        match self.variant {
            Variant::Of(asked) if asked != media => {
                let made = media.as_str();
                let problem = format!("is `{}`, and the task makes {made}", asked.as_str());
                Err(Problem::field("variant", &problem))
            }
            Variant::File | Variant::Of(_) => Ok(()),
        }
    }
}

impl Variant {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "" | "video" => Ok(Self::File),
            "image" => Ok(Self::Of(Media::Image)),
            "audio" => Ok(Self::Of(Media::Audio)),
            "thumbnail" | "spritesheet" => {
                let problem = format!("`{text}` is not made here: only `video` is");
                Err(Problem::field("variant", &problem))
            }
            _ => {
                let problem = format!("must be `video`, and is `{}`", shortened(text));
                Err(Problem::field("variant", &problem))
            }
        }
    }
}

fn index(text: &str) -> Result<u32, Problem> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let index = text.parse().ok().filter(|_| is_plain);
    index.ok_or_else(|| {
        let shown = shortened(text);
        let problem = format!("must be a number of an output, counted from 0, and is `{shown}`");
        Problem::field("index", &problem)
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_query_names_an_output() {
        for (text, expected) in [
            ("", 0),
            ("variant=video", 0),
            ("index=3&variant=", 3),
            ("index=1&index=2&foo=bar", 2),
            ("index=%31", 1),
        ] {
            let query = Query::parse(text).unwrap();
            assert_eq!(query.index, expected, "{text}");
            assert!(query.check(Media::Image).is_ok());
        }
        let image = Query::parse("variant=image").unwrap();
        assert!(image.check(Media::Image).is_ok());
        assert!(image.check(Media::Video).is_err());
    }

    #[test]
    fn what_is_not_made_and_what_is_no_number_is_refused() {
        for text in [
            "variant=thumbnail",
            "variant=spritesheet",
            "variant=x",
            "index=-1",
            "index=+1",
            "index=",
            "index=1.0",
            "index=4294967296",
            "index=%ff",
        ] {
            let refused = Query::parse(text).unwrap_err();
            assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(text in ".{0,80}") {
            let _ = Query::parse(&text);
        }
    }
}
