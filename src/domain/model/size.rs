//! Sizes as text: how `1280x720` and `1280:720` are the same, and which of a model's sizes is nearest.

/// One spelling for a size: `1280x720` becomes `1280:720`; every other text stays as it is.
pub fn canonical(size: &str) -> String {
    let parts: Vec<&str> = size.split(['x', 'X', '×', ':']).collect();
    match parts[..] {
        [width, height] if is_number(width) && is_number(height) => format!("{width}:{height}"),
        _ => size.to_owned(),
    }
}

/// Width and height of a canonical size, both above zero.
pub fn dimensions(size: &str) -> Option<(u32, u32)> {
    let (width, height) = size.split_once(':')?;
    if !is_number(width) || !is_number(height) {
        return None;
    }
    let (width, height) = (width.parse().ok()?, height.parse().ok()?);
    (width > 0 && height > 0).then_some((width, height))
}

/// The size that is nearest to `wanted` by |ln(w/w′)| + |ln(h/h′)|; of equals the one with fewer
/// pixels, which no provider charges more for, then the one listed first.
///
/// `shape_weight` adds that many times the difference of the aspect ratios: 0 asks for the nearest
/// number of pixels either way, more keeps the picture's shape.
pub fn nearest<'a>(
    wanted: (u32, u32),
    sizes: impl IntoIterator<Item = &'a str>,
    shape_weight: f64,
) -> Option<&'a str> {
    let (w, h) = (f64::from(wanted.0), f64::from(wanted.1));
    let mut best: Option<(f64, u64, &str)> = None;
    for size in sizes {
        let Some((width, height)) = dimensions(size) else {
            continue;
        };
        let (x, y) = ((f64::from(width) / w).ln(), (f64::from(height) / h).ln());
        let distance = x.abs() + y.abs() + shape_weight * (x - y).abs();
        let pixels = u64::from(width) * u64::from(height);
        let nearer = best.is_none_or(|(least, fewest, _)| {
            distance < least - TIE || (distance < least + TIE && pixels < fewest)
        });
        if nearer {
            best = Some((distance, pixels, size));
        }
    }
    best.map(|(_, _, size)| size)
}

fn is_number(text: &str) -> bool {
    (1..=MOST_DIGITS).contains(&text.len())
        && !text.starts_with('0')
        && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Enough for any size in pixels.
const MOST_DIGITS: usize = 6;
/// Distances closer than this are equal: rounding, not preference.
const TIE: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_size_are_one() {
        for (given, expected) in [
            ("1280x720", "1280:720"),
            ("1280X720", "1280:720"),
            ("1280:720", "1280:720"),
            ("16:9", "16:9"),
            ("auto_720p", "auto_720p"),
            ("01280x720", "01280x720"),
            ("1280x720x3", "1280x720x3"),
            ("x", "x"),
            ("", ""),
        ] {
            assert_eq!(canonical(given), expected);
        }
        assert_eq!(dimensions("1280:720"), Some((1280, 720)));
        assert_eq!(dimensions("0:720"), None);
        assert_eq!(dimensions("9999999:1"), None);
    }

    #[test]
    fn the_nearest_size_keeps_orientation_and_ties_go_to_fewer_pixels() {
        let gen4_image = [
            "1024:1024",
            "1360:768",
            "1808:768",
            "1920:1080",
            "1080:1920",
            "1280:720",
        ];
        assert_eq!(nearest((1792, 1024), gen4_image, 0.0), Some("1920:1080"));
        assert_eq!(nearest((1024, 1792), gen4_image, 0.0), Some("1080:1920"));
        assert_eq!(
            nearest((100, 100), ["200:100", "50:100"], 0.0),
            Some("50:100")
        );
        assert_eq!(nearest((100, 100), ["auto"], 0.0), None);
    }
}
