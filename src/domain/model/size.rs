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

/// `1280x720` for pixels; a model's own name, as `16:9` is one, stays.
pub fn spelled(size: &str) -> String {
    match dimensions(size) {
        Some(size) if !is_ratio(size) => format!("{}x{}", size.0, size.1),
        _ => size.to_owned(),
    }
}

/// The size that is nearest to `wanted` by |ln(w/w′)| + |ln(h/h′)|; of equals the cheapest, then the
/// one with the fewest pixels, then the one listed first.
///
/// `shape_weight` adds that many times the difference of the aspect ratios: 0 asks for the nearest
/// number of pixels either way, more keeps the picture's shape. Beside a ratio, as `16:9` is one, only
/// the shape counts. `price` ranks the equals; it decides nothing unless it is known of all of them.
pub fn nearest<'a, P: Ord + Copy>(
    wanted: (u32, u32),
    sizes: impl IntoIterator<Item = &'a str>,
    shape_weight: f64,
    price: impl Fn(&str) -> Option<P>,
) -> Option<&'a str> {
    let (w, h) = (f64::from(wanted.0), f64::from(wanted.1));
    let measured = sizes.into_iter().filter_map(|size| {
        let (width, height) = dimensions(size)?;
        let (x, y) = ((f64::from(width) / w).ln(), (f64::from(height) / h).ln());
        let shape = (x - y).abs();
        let apart = if is_ratio(wanted) || is_ratio((width, height)) {
            shape
        } else {
            x.abs() + y.abs()
        };
        let distance = apart + shape_weight * shape;
        Some((distance, u64::from(width) * u64::from(height), size))
    });
    let measured: Vec<(f64, u64, &str)> = measured.collect();
    let least = measured
        .iter()
        .map(|(distance, _, _)| *distance)
        .reduce(f64::min)?;
    let equals = measured
        .into_iter()
        .filter(|(distance, _, _)| *distance < least + TIE);
    let equals: Vec<_> = equals
        .map(|(_, pixels, size)| (price(size), pixels, size))
        .collect();
    let priced = equals.iter().all(|(price, _, _)| price.is_some());
    let rank = |(price, pixels, _): &(Option<P>, u64, &str)| (price.filter(|_| priced), *pixels);
    equals.into_iter().min_by_key(rank).map(|(_, _, size)| size)
}

/// Whether it counts no pixels, but says how the sides are to each other.
fn is_ratio((width, height): (u32, u32)) -> bool {
    width.min(height) < FEWEST_PIXELS
}

fn is_number(text: &str) -> bool {
    (1..=MOST_DIGITS).contains(&text.len())
        && !text.starts_with('0')
        && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// No model counts fewer pixels on a side, and no aspect ratio is written with more.
const FEWEST_PIXELS: u32 = 100;
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

    /// What is wanted, from which sizes, at which prices, and what it becomes.
    type Row<'a> = ((u32, u32), &'a [&'a str], Price<'a>, Option<&'a str>);
    type Price<'a> = &'a dyn Fn(&str) -> Option<u64>;

    fn unpriced(_: &str) -> Option<u64> {
        None
    }

    #[test]
    fn the_nearest_size_keeps_orientation_and_ties_go_to_the_cheaper() {
        let gen4_image = [
            "1024:1024",
            "1360:768",
            "1808:768",
            "1920:1080",
            "1080:1920",
            "1280:720",
        ];
        // Both are ln 2 away from 1000 × 1000.
        let (large, small) = ("2000:1000", "500:1000");
        let cheap_large = |size: &str| Some(if size == large { 1 } else { 2 });
        let cheap_small = |size: &str| Some(if size == large { 2 } else { 1 });
        let half_known = |size: &str| (size == large).then_some(1);
        let equal = |_: &str| Some(1);
        let table: [Row<'_>; 10] = [
            ((1792, 1024), &gen4_image, &unpriced, Some("1920:1080")),
            ((1024, 1792), &gen4_image, &unpriced, Some("1080:1920")),
            ((1000, 1000), &[large, small], &unpriced, Some(small)),
            ((1000, 1000), &[large, small], &equal, Some(small)),
            ((1000, 1000), &[large, small], &half_known, Some(small)),
            ((1000, 1000), &[large, small], &cheap_small, Some(small)),
            ((1000, 1000), &[small, large], &cheap_large, Some(large)),
            // Cheaper, but not as near.
            ((900, 1000), &[small, large], &cheap_large, Some(small)),
            // Of equals in price and pixels the first.
            (
                (1000, 1000),
                &["2000:1000", "1000:2000"],
                &equal,
                Some("2000:1000"),
            ),
            ((1000, 1000), &["auto"], &unpriced, None),
        ];
        for (wanted, sizes, price, expected) in table {
            assert_eq!(nearest(wanted, sizes.iter().copied(), 0.0, price), expected);
        }
    }

    #[test]
    fn of_ratios_the_one_of_the_same_shape_is_nearest() {
        let ratios = ["adaptive", "21:9", "16:9", "4:3", "1:1", "3:4", "9:16"];
        let pixels = ["1280:720", "720:1280", "960:960", "640:640"];
        for (wanted, ratio) in [
            ((1280, 720), "16:9"),
            ((720, 1280), "9:16"),
            ((960, 960), "1:1"),
            ((1104, 832), "4:3"),
        ] {
            for weight in [0.0, 2.0] {
                assert_eq!(nearest(wanted, ratios, weight, unpriced), Some(ratio));
            }
        }
        for (wanted, size) in [((16, 9), "1280:720"), ((1, 1), "640:640")] {
            assert_eq!(nearest(wanted, pixels, 2.0, unpriced), Some(size));
        }
    }

    #[test]
    fn sizes_in_pixels_are_written_with_an_x_and_names_as_they_are() {
        for (ours, shown) in [
            ("1280:720", "1280x720"),
            ("16:9", "16:9"),
            ("21:9", "21:9"),
            ("auto_720p", "auto_720p"),
            ("2k", "2k"),
            ("", ""),
        ] {
            assert_eq!(spelled(ours), shown);
        }
    }
}
