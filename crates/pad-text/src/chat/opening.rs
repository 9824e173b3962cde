//! The token that stands before every text.

use super::Chat;

impl Chat {
    /// The tokens of a text that no template opened, with the token before them that the model's files put there: Gemma's and Llama's
    /// answer badly without.
    pub fn opened(&self, mut tokens: Vec<u32>) -> Vec<u32> {
        if let Some(opening) = self.opening.filter(|opening| tokens.first() != Some(opening)) {
            tokens.insert(0, opening);
        }
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use candle_core::quantized::gguf_file::{Content, Value};

    #[test]
    fn a_text_is_opened_where_the_file_asks() {
        let mut content = fixture::sentencepiece_content(true);
        let template = Value::String("{{ messages[0].content }}".into());
        content.metadata.insert("tokenizer.chat_template".into(), template);
        let opened = |content: &Content| Chat::from_gguf(content).unwrap().opened(vec![7, 8]);
        assert_eq!(opened(&content), [1, 7, 8], "a SentencePiece vocabulary, unless it says otherwise");
        assert_eq!(Chat::from_gguf(&content).unwrap().opened(vec![1, 7]), [1, 7], "opened already");
        content.metadata.insert("tokenizer.ggml.add_bos_token".into(), Value::Bool(false));
        assert_eq!(opened(&content), [7, 8]);
        let mut content = fixture::byte_level_content();
        assert_eq!(opened(&content), [7, 8]);
        content.metadata.insert("tokenizer.ggml.add_bos_token".into(), Value::Bool(true));
        assert_eq!(opened(&content), [0, 7, 8]);
    }
}
