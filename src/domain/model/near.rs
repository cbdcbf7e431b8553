//! How alike two names are: for suggestions, never for decisions.

/// The known name that a misspelt one most likely means, whatever their cases; `None`: none is near.
pub fn likely<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |name: &str| -> Vec<char> {
        let lower = name.to_lowercase();
        lower.chars().take(LONGEST).collect()
    };
    let given = letters(name);
    let distances = known.into_iter().filter_map(|known| {
        let meant = letters(known);
        let distance = distance(&given, &meant);
        let farthest = FARTHEST.max(meant.len() / 4).min(meant.len() / 2);
        (distance <= farthest).then_some((distance, known))
    });
    distances.min().map(|(_, known)| known)
}

/// Levenshtein's edit distance.
pub(super) fn distance(one: &[char], two: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in two.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[two.len()]
}

/// Letters that are compared.
const LONGEST: usize = 128;
/// Greatest distance of a suggestion, for short names.
const FARTHEST: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_means_the_nearest_name() {
        let known = ["outputFormat", "outputFormats", "seed", "fps"];
        for (name, meant) in [
            ("outputFromat", Some("outputFormat")),
            ("output_format", Some("outputFormat")),
            ("OUTPUTFORMATS", Some("outputFormats")),
            ("sede", Some("seed")),
            ("fsp", None),
            ("fp", Some("fps")),
            ("camera", None),
            ("", None),
        ] {
            assert_eq!(likely(name, known), meant, "{name}");
        }
        assert_eq!(likely("seed", []), None);
        assert_eq!(likely(&"x".repeat(100_000), known), None);
    }
}
