//! A picture for the camera of a phone.

use fast_qr::QRBuilder;

/// A QR code (ISO/IEC 18004) as the path of an SVG image, one unit per module, with the quiet zone around it.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// How wide and high it is.
    pub(crate) side: usize,
    /// The dark modules.
    pub(crate) path: String,
}

/// On each side.
const QUIET: usize = 4;

impl Picture {
    /// `None` if the text is too long for one.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let code = QRBuilder::new(text).build().ok()?;
        let mut path = String::new();
        for row in 0..code.size {
            for column in 0..code.size {
                if code[row][column].value() {
                    path.push_str(&format!("M{} {}h1v1h-1z", column + QUIET, row + QUIET));
                }
            }
        }
        Some(Self { side: code.size + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_three_corners_that_a_camera_looks_for() {
        let picture = Picture::of("otpauth://totp/as.example:ada%40example.com?secret=ABC").unwrap();
        let size = picture.side - 2 * QUIET;
        assert!((size - 17).is_multiple_of(4), "{size}");
        let far = QUIET + size - 7;
        for (x, y) in [(QUIET, QUIET), (far, QUIET), (QUIET, far)] {
            for step in 0..7 {
                assert!(picture.path.contains(&format!("M{} {y}h", x + step)));
            }
        }
        assert!(Picture::of(&"x".repeat(5000)).is_none());
    }
}
