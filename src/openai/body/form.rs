//! A multipart body, part by part, as it comes in.
//!
//! One chunk of the body is held, and of a part's headers no more than a bound: written here because
//! the parsers at hand read ahead as far as the client sends, which a file of a gigabyte makes much.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use memchr::memmem;
use tokio::time::{Instant, timeout};

use super::{Held, LONGEST, Part, Share, broken, next, stalled, too_large};
use crate::openai::{Problem, Settings};

/// A form that is being read.
pub(in crate::openai) struct Form {
    body: Body,
    idle: Duration,
    /// What is left of the time for everything but files: others may wait for the room of the texts.
    time: Duration,
    /// The line end before a boundary, two dashes and the boundary.
    delimiter: Vec<u8>,
    /// What came and was not given out.
    held: BytesMut,
    is_ended: bool,
    place: Place,
    parts: usize,
    /// Bytes of texts that may still come.
    text_left: usize,
    text_limit: usize,
    room: Share,
    /// Of the room, for the texts.
    taken: Held,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// Anything that the form itself is.
    Form,
    /// A file, whose time is bounded by who keeps it.
    File,
}

/// How far a form was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a delimiter: in a part's content, or before the first.
    Content,
    /// After a delimiter.
    Delimiter,
    /// After the last.
    End,
}

impl Form {
    /// Begins to read a body.
    pub fn new(body: Body, boundary: &str, settings: &Settings, room: Share) -> Self {
        Self {
            body,
            idle: settings.body_idle,
            time: LONGEST,
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first boundary may stand at the very beginning.
            held: BytesMut::from(&b"\r\n"[..]),
            is_ended: false,
            place: Place::Content,
            parts: 0,
            text_left: settings.max_body,
            text_limit: settings.max_body,
            room,
            taken: Held::default(),
        }
    }

    /// The next part, whatever of the one before was not read; `None` after the last.
    ///
    /// # Errors
    /// 400 for what is no form, or one of too many parts; 413 for more beside the parts than all texts
    /// may be; 408 after a silence, or when everything but
    /// files takes longer than [`LONGEST`].
    pub async fn part(&mut self) -> Result<Option<Part>, Problem> {
        while let Some(skipped) = self.content(Of::Form).await? {
            let left = self.text_left.checked_sub(skipped.len());
            self.text_left = left.ok_or_else(|| too_large(self.text_limit))?;
        }
        if self.place == Place::End || self.is_last().await? {
            self.place = Place::End;
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(broken(format!("the form has more than {MOST_PARTS} parts")));
        }
        let headers = self.headers().await?;
        self.place = Place::Content;
        Part::parse(&headers).map(Some)
    }

    /// The next bytes of a file; `None` at its end.
    ///
    /// # Errors
    /// As [`Form::part`], but for the time of the form.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        self.content(Of::File).await
    }

    /// The first bytes of the part's content: so many, and what came with them.
    ///
    /// # Errors
    /// As [`Form::part`].
    pub async fn head(&mut self, length: usize) -> Result<Bytes, Problem> {
        let mut head = BytesMut::new();
        while head.len() < length {
            let Some(chunk) = self.content(Of::Form).await? else {
                break;
            };
            head.extend_from_slice(&chunk);
        }
        Ok(head.freeze())
    }

    async fn content(&mut self, of: Of) -> Result<Option<Bytes>, Problem> {
        if self.place != Place::Content {
            return Ok(None);
        }
        loop {
            if let Some(end) = memmem::find(&self.held, &self.delimiter) {
                let last = self.held.split_to(end).freeze();
                let _ = self.held.split_to(self.delimiter.len());
                self.place = Place::Delimiter;
                return Ok(Some(last).filter(|last| !last.is_empty()));
            }
            // The delimiter may have begun in what is left.
            let sure = (self.held.len() + 1).saturating_sub(self.delimiter.len());
            if sure > 0 {
                return Ok(Some(self.held.split_to(sure).freeze()));
            }
            self.fill(of).await?;
        }
    }

    /// The part's content as text, from what was read of it on; texts of a form are bounded together.
    ///
    /// # Errors
    /// As [`Form::part`]; 413 beyond the bound, 400 for what is not UTF-8, 503 without room.
    pub async fn text(&mut self, name: &str, begun: &[u8]) -> Result<String, Problem> {
        let mut whole = Vec::new();
        let mut chunk = Some(Bytes::copy_from_slice(begun));
        while let Some(bytes) = chunk {
            let left = self.text_left.checked_sub(bytes.len());
            self.text_left = left.ok_or_else(|| too_large(self.text_limit).param(name))?;
            let (there, most) = (self.text_limit - self.text_left, self.text_limit);
            self.room.fit(&mut self.taken, there, None, most).await?;
            whole.extend_from_slice(&bytes);
            chunk = self.content(Of::Form).await?;
        }
        String::from_utf8(whole).map_err(|_| broken(format!("{name} is not UTF-8")).param(name))
    }

    /// What the texts hold of the room for bodies, of a form that was read.
    pub fn into_held(self) -> Held {
        self.taken
    }

    /// Whether the delimiter that was just read ends the form.
    async fn is_last(&mut self) -> Result<bool, Problem> {
        while self.held.len() < 2 {
            self.fill(Of::Form).await?;
        }
        if self.held.starts_with(b"--") {
            return Ok(true);
        }
        loop {
            if let Some(end) = memmem::find(&self.held, b"\r\n") {
                let padding = self.held.split_to(end);
                // The line end stays: it is also the beginning of a part without headers.
                let is_blank = padding.iter().all(|byte| matches!(byte, b' ' | b'\t'));
                let wrong = || broken("a boundary of the form goes on in its line");
                return if is_blank { Ok(false) } else { Err(wrong()) };
            }
            if self.held.len() > LONGEST_PADDING {
                return Err(broken("a boundary of the form goes on in its line"));
            }
            self.fill(Of::Form).await?;
        }
    }

    /// The headers of a part, without the empty line at their end.
    async fn headers(&mut self) -> Result<Bytes, Problem> {
        loop {
            if let Some(end) =
                memmem::find(&self.held, b"\r\n\r\n").filter(|end| *end <= MOST_HEADERS)
            {
                let headers = self.held.split_to(end).freeze();
                let _ = self.held.split_to(4);
                return Ok(headers);
            }
            if self.held.len() > MOST_HEADERS {
                let message =
                    format!("a part of the form has more than {MOST_HEADERS} bytes of headers");
                return Err(broken(message));
            }
            self.fill(Of::Form).await?;
        }
    }

    /// Reads more of the body.
    async fn fill(&mut self, of: Of) -> Result<(), Problem> {
        if self.is_ended {
            return Err(broken("the form ends before its last boundary"));
        }
        let (begun, next) = (Instant::now(), next(&mut self.body, self.idle));
        let read = match of {
            Of::File => next.await?,
            Of::Form => {
                let read = timeout(self.time, next).await;
                self.time = self.time.saturating_sub(begun.elapsed());
                read.map_err(|_| stalled("the form is not there after", LONGEST))??
            }
        };
        match read {
            Some(bytes) => self.held.extend_from_slice(&bytes),
            None => self.is_ended = true,
        }
        Ok(())
    }
}

/// Parts of a form.
const MOST_PARTS: usize = 256;
/// Bytes of a part's headers.
const MOST_HEADERS: usize = 8 * 1024;
/// Blanks between a boundary and its line's end.
const LONGEST_PADDING: usize = 256;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::StreamExt as _;

    use super::*;
    use crate::domain::caller::Caller;
    use crate::openai::body::Room;

    fn settings(max_body: usize) -> Settings {
        Settings {
            max_body,
            ..Settings::plain()
        }
    }

    /// A form that comes in pieces of so many bytes.
    fn form(bytes: &[u8], piece: usize) -> Form {
        let pieces: Vec<Result<Bytes, Infallible>> = bytes
            .chunks(piece)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        self::begun(body)
    }

    fn begun(body: Body) -> Form {
        let room = Room::default().of(&Caller::local());
        Form::new(body, "XX", &settings(64 * 1024), room)
    }

    async fn all(form: &mut Form) -> Result<Vec<(String, String)>, Problem> {
        let mut found = Vec::new();
        while let Some(part) = form.part().await? {
            let text = form.text(&part.name, b"").await?;
            found.push((part.name, text));
        }
        Ok(found)
    }

    const GOOD: &str = "preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
        --XX  \r\nContent-Disposition: form-data; name=\"b\"\r\nX: y\r\n\r\n\r\n--X\r\n-\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"c\"\r\n\r\n\r\n--XX--\r\nepilogue";

    #[tokio::test]
    async fn a_form_is_the_same_in_pieces_of_any_size() {
        let expected = [("a", "1"), ("b", "\r\n--X\r\n-"), ("c", "")];
        for piece in 1..=GOOD.len() {
            let found = all(&mut form(GOOD.as_bytes(), piece)).await.unwrap();
            let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (&**a, &**b)).collect();
            assert_eq!(found, expected, "{piece}");
        }
    }

    #[tokio::test]
    async fn a_form_that_is_cut_anywhere_is_refused() {
        let end = GOOD.find("XX--").unwrap() + 4;
        for cut in 0..end {
            let refused = all(&mut form(&GOOD.as_bytes()[..cut], 7)).await;
            assert_eq!(refused.unwrap_err().status().as_u16(), 400, "{cut}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_form_has_its_time_and_a_file_another() {
        const PART: &str = "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        // A byte just before each silence is too long.
        let trickle = |head: &'static str| {
            let first = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from(head))]);
            let bytes = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(999)).await;
                Some((Ok(Bytes::from_static(b"a")), ()))
            });
            begun(Body::from_stream(first.chain(bytes)))
        };
        for head in ["", "--XX\r\nX: ", PART] {
            let started = Instant::now();
            let refused = all(&mut trickle(head)).await.unwrap_err();
            assert_eq!(refused.status().as_u16(), 408, "{head}");
            let took = started.elapsed();
            assert!(took >= LONGEST && took < LONGEST * 2, "{head}: {took:?}");
        }
        let mut file = trickle(PART);
        file.part().await.unwrap();
        let started = Instant::now();
        while started.elapsed() < LONGEST * 3 {
            file.chunk().await.unwrap().unwrap();
        }
        assert_eq!(file.time, LONGEST, "none of it is the form's");
    }

    #[tokio::test]
    async fn a_form_has_bounds_of_every_kind() {
        let part = |name: &str, text: &str| {
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
        };
        let headers = format!("--XX\r\nX: {}\r\n\r\n--XX--", "x".repeat(MOST_HEADERS));
        for (body, status) in [
            (part("a", "1").repeat(MOST_PARTS) + "--XX--", 200),
            (part("a", "1").repeat(MOST_PARTS + 1) + "--XX--", 400),
            (part("a", &"x".repeat(40_000)).repeat(2) + "--XX--", 413),
            ("x".repeat(70_000) + "\r\n--XX--", 413),
            ("x".repeat(60_000) + "\r\n--XX--", 200),
            (headers, 400),
            (format!("--XX{}\r\n", " ".repeat(1000)), 400),
            ("--XXY\r\n\r\n--XX--".to_owned(), 400),
            ("--XX\r\n\r\nno name\r\n--XX--".to_owned(), 400),
            ("no form".to_owned(), 400),
            (String::new(), 400),
        ] {
            let read = all(&mut form(body.as_bytes(), 1000)).await;
            let seen = read.map_or_else(|problem| problem.status().as_u16(), |_| 200);
            assert_eq!(seen, status, "{}", &body[..body.len().min(60)]);
        }
    }
}
