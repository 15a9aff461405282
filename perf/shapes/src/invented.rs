//! Signatures of protocols that do not exist, beside those that do.

use engine::detectors::signatures::SignatureFile;

/// `count` files with a signature each.
pub(crate) fn signatures(count: u32) -> impl Iterator<Item = SignatureFile> {
    sample::invented::signatures(count).map(|(path, text)| SignatureFile {
        path,
        text: text.into(),
        overrides: false,
    })
}

#[cfg(test)]
mod tests {
    use engine::Plan;
    use engine::detectors::signatures::builtin_files;

    #[test]
    fn they_stand_beside_the_real_ones() {
        let mut files = builtin_files();
        let before = Plan::from_files(&files).unwrap().signatures().len();
        files.extend(super::signatures(40));
        assert_eq!(Plan::from_files(&files).unwrap().signatures().len(), before + 40);
    }
}
