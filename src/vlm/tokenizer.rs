//! Text to CLIP's tokens.

use crate::{Error, Result};

/// The tokens of a text: start, byte pairs, end, and zeros up to `context`.
///
/// # Errors
/// [`Error::Input`] where the text has more tokens than fit, and in builds without the feature
/// `import`.
#[cfg(feature = "import")]
pub fn tokenize(text: &str, context: usize) -> Result<Vec<i64>> {
    use instant_clip_tokenizer::Tokenizer;
    use std::sync::LazyLock;

    /// Building the table of merges takes a while: once is enough.
    static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(Tokenizer::new);

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

/// In builds without the feature `import`: an error that says so.
///
/// # Errors
/// [`Error::Input`], always.
#[cfg(not(feature = "import"))]
pub fn tokenize(_: &str, _: usize) -> Result<Vec<i64>> {
    Err(Error::Input(
        "this build, which is for boards, has no words for a text tower: import on a PC, and copy the bundle"
            .into(),
    ))
}

#[cfg(all(test, feature = "import"))]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_refused_rather_than_cut() {
        assert_eq!(tokenize("image with haze", 77).unwrap().len(), 77);
        assert!(tokenize(&"haze ".repeat(80), 77).is_err());
    }
}
