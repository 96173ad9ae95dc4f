package app

import "strings"

// DNP3Changes reports whether a function of DNP3 changes a device.
func DNP3Changes(function string) bool {
	switch function {
	case "write", "select", "operate", "direct_operate", "direct_operate_no_ack", "cold_restart", "warm_restart",
		"initialize_data", "initialize_application", "start_application", "stop_application", "save_configuration",
		"enable_unsolicited", "disable_unsolicited", "assign_class", "delete_file", "activate_configuration":
		return true
	}
	return strings.HasPrefix(function, "freeze")
}

// S7Changes reports whether a function of S7comm changes a controller.
func S7Changes(function string) bool {
	switch function {
	case "write", "request_download", "download_block", "download_ended", "plc_control", "plc_stop", "mode_transition":
		return true
	}
	return false
}

// CIPChanges reports whether a service of CIP changes a device.
func CIPChanges(service string) bool {
	switch service {
	case "reset", "start", "stop", "create", "delete", "apply_attributes", "restore", "save", "insert_member", "remove_member":
		return true
	}
	return strings.HasPrefix(service, "set_") || strings.HasPrefix(service, "write_")
}

// BACnetChanges reports whether a service of BACnet changes a device.
func BACnetChanges(service string) bool {
	switch service {
	case "write_property", "write_property_multiple", "device_communication_control", "reinitialize_device",
		"create_object", "delete_object", "add_list_element", "remove_list_element", "atomic_write_file",
		"time_synchronization", "utc_time_synchronization", "life_safety_operation", "write_group":
		return true
	}
	return false
}
