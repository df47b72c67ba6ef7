//! Text to CLIP's tokens.

use crate::{Error, Result};
use instant_clip_tokenizer::Tokenizer;
use std::sync::LazyLock;

/// Building the table of merges takes a while: once is enough.
static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(Tokenizer::new);

/// The tokens of a text: start, byte pairs, end, and zeros up to `context`.
///
/// # Errors
/// [`Error::Input`] where the text has more tokens than fit.
pub fn tokenize(text: &str, context: usize) -> Result<Vec<i64>> {
    let mut tokens = vec![TOKENIZER.start_of_text()];
    TOKENIZER.encode(text, &mut tokens);
    tokens.push(TOKENIZER.end_of_text());
    if tokens.len() > context {
        return Err(Error::Input(format!(
            "{text:?} has {} tokens, more than the {context} that the text tower takes",
            tokens.len()
        )));
    }
    let mut ids: Vec<i64> = tokens.into_iter().map(|token| i64::from(token.to_u16())).collect();
    ids.resize(context, 0);
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_refused_rather_than_cut() {
        assert_eq!(tokenize("image with haze", 77).unwrap().len(), 77);
        assert!(tokenize(&"haze ".repeat(80), 77).is_err());
    }
}
