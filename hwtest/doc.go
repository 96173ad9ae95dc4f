// Package hwtest has the scenarios: whole stories told with the image we ship,
// a machine to boot it, traffic on its tap port and a real collector.
//
// A scenario reads like a lab notebook; what it needs of the lab is in package
// rig. Beside the scenarios, TestTruth holds the sensor's reading of each
// capture in testdata/captures against tshark's, field by field.
//
// Without QEMU or tshark a test skips and says what is missing. With
// TAPROOT_HWTEST=1, which make test and make hwtest set, it fails instead.
package hwtest
