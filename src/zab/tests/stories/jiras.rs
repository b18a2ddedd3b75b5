//! The bugs of ZooKeeper that a small cluster can show.

/// The rows marked "yes" in `zab-correctness` 3.1 and 3.2: the numbers of each row, the first one
/// first. Each number has to stand in the first line of some story.
pub(crate) const CATALOGUE: &[&[u32]] = &[
    // Election and discovery
    &[335, 1081, 1082],
    &[790],
    &[975],
    &[1270],
    &[1282, 1291],
    &[1343],
    &[1136, 1324],
    &[1419],
    &[1514],
    &[1732, 1805, 1817, 1818],
    &[3109],
    &[3537],
    &[2959, 764, 769],
    &[3922],
    // Synchronisation, broadcast, logging
    &[1154, 1156],
    &[1264],
    &[1367],
    &[1489],
    &[1549, 1558],
    &[1551],
    &[1653, 2354],
    &[1277],
    &[4883, 2789],
    &[2418, 2846],
    &[4352],
    &[2574, 1797, 3231],
    &[2832],
    &[2845],
    &[2872],
    &[3220],
    &[3104],
    &[3125, 3127, 3144, 3145, 3249, 3306, 4689],
    &[3642],
    &[3911],
    &[3023],
    &[4394],
    &[4643],
    &[4646],
    &[4685],
    &[4712, 4541],
    &[4785],
    &[4925],
    &[4882],
    &[2307, 4269],
];

/// The numbers behind `ZOOKEEPER-` in a story's first line:
/// `# ZOOKEEPER-335, 1081, 1082. Three servers.`
pub(crate) fn of_first_line(text: &str) -> Vec<u32> {
    let title = text.lines().next().unwrap_or_default();
    let Some((_, numbers)) = title.split_once("ZOOKEEPER-") else {
        return Vec::new();
    };
    let numbers = numbers.split('.').next().unwrap_or_default();
    numbers.split(", ").filter_map(|number| number.trim().parse().ok()).collect()
}
