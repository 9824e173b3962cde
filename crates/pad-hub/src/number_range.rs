//! Names that differ in a number: `part{01..06}`.

/// The names that a pattern stands for: in the n-th of them each `{FIRST..LAST}` is the n-th number of its range, with zeros in front
/// as `FIRST` has them. All ranges of a pattern have the same length. A pattern without a range is one name.
///
/// # Errors
/// What is wrong with the pattern.
pub(crate) fn expand(pattern: &str) -> Result<Vec<String>, &'static str> {
    let mut names: Option<Vec<String>> = None;
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (range, after) = after.split_once('}').ok_or("a range is `{FIRST..LAST}`")?;
        let numbers = numbers(range)?;
        let names = names.get_or_insert_with(|| vec![String::new(); numbers.len()]);
        if names.len() != numbers.len() {
            return Err("the ranges of one source have the same length");
        }
        names.iter_mut().zip(numbers).for_each(|(name, number)| name.extend([before, &number]));
        rest = after;
    }
    let mut names = names.unwrap_or_else(|| vec![String::new()]);
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

/// Most numbers in a range: no model has more parts.
const MOST: usize = 999;

fn numbers(range: &str) -> Result<Vec<String>, &'static str> {
    let (first, last) = range.split_once("..").ok_or("a range is `{FIRST..LAST}`")?;
    let number = |text: &str| {
        let digits = text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<usize>().ok().filter(|_| digits).ok_or("the ends of a range are numbers up to 999")
    };
    let (from, to) = (number(first)?, number(last)?);
    if from > to || to > MOST {
        return Err("a range begins with its smaller number");
    }
    Ok((from..=to).map(|number| format!("{number:0width$}", width = first.len())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_counts_on() {
        assert_eq!(expand("a").unwrap(), ["a"]);
        assert_eq!(expand("").unwrap(), [""]);
        assert_eq!(expand("p{9..11}/d{01..03}.bin").unwrap(), ["p9/d01.bin", "p10/d02.bin", "p11/d03.bin"]);
        assert_eq!(expand("{099..100}").unwrap(), ["099", "100"]);
        assert_eq!(expand("x{4..4}").unwrap(), ["x4"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for pattern in ["a{", "a{1}", "a{1..}", "a{..2}", "a{2..1}", "a{-1..2}", "a{1..2", "a{1..1000}", "{1..2}{1..3}"]
        {
            assert!(expand(pattern).is_err(), "{pattern}");
        }
    }
}
