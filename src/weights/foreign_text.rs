//! Text of files that others wrote, before it gets into a message.

use crate::error::one_line;
use crate::{Error, Result};

/// Longer than any tensor's name, in bytes.
const MAX_NAME: usize = 512;

/// As much of a library's message as a person reads, in characters.
const MAX_MESSAGE: usize = 300;

/// Refuses names that would break the line of a message, or control a terminal; `file` stands
/// for the file in messages.
pub(super) fn check_names<'a>(names: impl IntoIterator<Item = &'a str>, file: &str) -> Result<()> {
    let odd = |name: &&str| name.len() > MAX_NAME || name.contains(char::is_control);
    match names.into_iter().find(odd) {
        None => Ok(()),
        Some(name) => Err(Error::Weights(format!(
            "{file} names a tensor with control characters or over {MAX_NAME} bytes: {}",
            brief(name)
        ))),
    }
}

/// What a library says, which may quote a hostile file, as one line of bounded length.
pub(crate) fn brief(message: impl ToString) -> String {
    let message = message.to_string().replace(|c: char| c.is_control(), " ");
    let mut message = one_line(&message);
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length_whatever_it_quotes() {
        assert_eq!(brief("a\x1b[2J\n\tb"), "a [2J b");
        let long = brief("ä".repeat(1_000_000));
        assert_eq!(long.chars().count(), MAX_MESSAGE + 1);
    }
}
