package app

import (
	"slices"
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Control packets (MQTT 3.1.1, section 2.2.1).
const (
	mqttConnect    = 1
	mqttConnAck    = 2
	mqttPublish    = 3
	mqttSubscribe  = 8
	mqttDisconnect = 14
	mqttAuth       = 15
)

// mqttReturnCodes are those of version 3 (MQTT 3.1.1, section 3.2.2.3).
var mqttReturnCodes = [...]string{
	"accepted", "bad_version", "bad_client_id", "unavailable", "bad_credentials", "not_authorized",
}

// LooksLikeMQTT reports whether a connection that begins with b may be of
// MQTT: a CONNECT packet with its protocol's name.
func LooksLikeMQTT(b []byte) bool {
	if len(b) < 8 || b[0] != mqttConnect<<4 {
		return false
	}
	r := newReader(b[1:])
	if _, ok := mqttLength(r); !ok {
		return false
	}
	name := string(r.list16().b)
	return name == "MQTT" || name == "MQIsdp"
}

// mqttLength takes a length of up to four bytes (section 2.2.3).
func mqttLength(r *reader) (n int, ok bool) {
	for shift := 0; shift < 28; shift += 7 {
		c := r.uint8()
		if n |= int(c&0x7f) << shift; c&0x80 == 0 {
			return n, r.ok
		}
	}
	return 0, false
}

// ParseMQTT reads the first control packet of b into the record of its
// session. It returns the packet's size, of which a long PUBLISH need not be
// there to its end, and whether the session goes on.
func ParseMQTT(b []byte, rec *record.MQTT) (size int, more bool, err error) {
	r := newReader(b)
	head := r.uint8()
	length, ok := mqttLength(r)
	if !ok {
		if len(b) < 5 {
			return 0, true, errShort
		}
		return 0, false, errOther
	}
	size = len(b) - len(r.b) + length
	typ := head >> 4
	if typ == 0 || typ == mqttAuth && rec.Version != "5" {
		return 0, false, errOther
	}
	body := *r
	switch {
	case typ == mqttPublish:
		if len(body.b) > length {
			body = r.sub(length)
		}
	case length > MaxStream/2 && typ != mqttPublish:
		return 0, false, errOther
	case length > len(body.b):
		return 0, true, errShort
	default:
		body = r.sub(length)
	}
	switch typ {
	case mqttConnect:
		mqttConnected(&body, rec)
	case mqttConnAck:
		mqttAnswer(&body, rec)
	case mqttPublish:
		topic := body.list16()
		if !topic.ok {
			if len(b) < size {
				return 0, true, errShort
			}
			return 0, false, errOther
		}
		rec.Published = addTopic(rec.Published, topic.b)
		return size, true, nil
	case mqttSubscribe:
		mqttSubscribed(&body, rec)
	}
	if !body.ok {
		return size, false, errOther
	}
	return size, typ != mqttDisconnect, nil
}

// mqttConnected reads a CONNECT (section 3.1). A password is skipped.
func mqttConnected(r *reader, rec *record.MQTT) {
	r.list16() // name
	level, flags := r.uint8(), r.uint8()
	switch level {
	case 3:
		rec.Version = "3.1"
	case 4:
		rec.Version = "3.1.1"
	case 5:
		rec.Version = "5"
	default:
		rec.Version = strconv.Itoa(int(level))
	}
	rec.Clean = flags&2 != 0
	rec.KeepAlive = r.uint16()
	if level == 5 {
		mqttProperties(r)
	}
	rec.ClientID = text(r.list16().b)
	if flags&4 != 0 {
		if level == 5 {
			mqttProperties(r)
		}
		rec.WillTopic = text(r.list16().b)
		r.list16() // its message
	}
	if flags&0x80 != 0 {
		rec.User = text(r.list16().b)
	}
	rec.Password = flags&0x40 != 0
}

// mqttProperties skips the properties of version 5 (section 2.2.2).
func mqttProperties(r *reader) {
	n, _ := mqttLength(r)
	r.bytes(n)
}

func mqttAnswer(r *reader, rec *record.MQTT) {
	r.uint8()
	code := r.uint8()
	rec.ReturnCode = strconv.Itoa(int(code))
	if int(code) < len(mqttReturnCodes) {
		rec.ReturnCode = mqttReturnCodes[code]
	}
}

// mqttSubscribed reads a SUBSCRIBE (section 3.8).
func mqttSubscribed(r *reader, rec *record.MQTT) {
	r.uint16() // packet id
	if rec.Version == "5" {
		mqttProperties(r)
	}
	for r.ok && len(r.b) > 0 {
		topic := r.list16()
		r.uint8() // quality of service
		if r.ok {
			rec.Subscribed = addTopic(rec.Subscribed, topic.b)
		}
	}
}

func addTopic(list []string, topic []byte) []string {
	if len(list) == maxList {
		return list
	}
	if s := text(topic); s != "" && !slices.Contains(list, s) {
		list = append(list, s)
	}
	return list
}
