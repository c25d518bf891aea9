package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// presence is what Optional implements.
type presence interface {
	present() any // a pointer to the value to fill
}

var rawMessageType = reflect.TypeFor[json.RawMessage]()

// bind puts raw, a checked JSON value, into dst. field is the path of names that led here, "" for the body itself.
func bind(dst reflect.Value, raw json.RawMessage, field string) error {
	if optional, ok := dst.Addr().Interface().(presence); ok {
		return bind(reflect.ValueOf(optional.present()).Elem(), raw, field)
	}
	if dst.Type() == rawMessageType {
		dst.SetBytes(bytes.Clone(raw))
		return nil
	}
	switch dst.Kind() {
	case reflect.Pointer:
		return bindPointer(dst, raw, field)
	case reflect.Interface:
		return bindAny(dst, raw, field)
	case reflect.Struct:
		return bindStruct(dst, raw, field)
	case reflect.Map:
		return bindMap(dst, raw, field)
	case reflect.Slice:
		return bindSlice(dst, raw, field)
	case reflect.String:
		return bindString(dst, raw, field)
	case reflect.Bool:
		return bindBool(dst, raw, field)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return bindInt(dst, raw, field)
	case reflect.Float32, reflect.Float64:
		return bindFloat(dst, raw, field)
	}
	return fmt.Errorf("decode JSON into %s: type not supported", dst.Type())
}

func bindPointer(dst reflect.Value, raw json.RawMessage, field string) error {
	if isNull(raw) {
		dst.SetZero()
		return nil
	}
	value := reflect.New(dst.Type().Elem())
	if err := bind(value.Elem(), raw, field); err != nil {
		return err
	}
	dst.Set(value)
	return nil
}

func bindStruct(dst reflect.Value, raw json.RawMessage, field string) error {
	members, err := objectMembers(raw, field)
	if err != nil {
		return err
	}
	return bindMembers(dst, members, field)
}

func bindMembers(dst reflect.Value, members map[string]json.RawMessage, field string) error {
	for i := range dst.NumField() {
		info := dst.Type().Field(i)
		name, _, _ := strings.Cut(info.Tag.Get("json"), ",")
		if name == "" && info.Anonymous && info.Type.Kind() == reflect.Struct {
			if err := bindMembers(dst.Field(i), members, field); err != nil {
				return err
			}
			continue
		}
		value, found := members[name]
		if !found || name == "" || name == "-" || !info.IsExported() {
			continue
		}
		if err := bind(dst.Field(i), value, joinField(field, name)); err != nil {
			return err
		}
	}
	return nil
}

func bindMap(dst reflect.Value, raw json.RawMessage, field string) error {
	target, ok := dst.Addr().Interface().(*map[string]any)
	if !ok {
		return fmt.Errorf("decode JSON into %s: type not supported", dst.Type())
	}
	if !isObject(raw) {
		return MalformedField(field, "an object")
	}
	value, err := anyValue(raw, field)
	if err != nil {
		return err
	}
	*target = value.(map[string]any)
	return nil
}

func bindSlice(dst reflect.Value, raw json.RawMessage, field string) error {
	if raw[0] != '[' {
		return MalformedField(field, "an array")
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return MalformedField(field, "an array")
	}
	values := reflect.MakeSlice(dst.Type(), len(elements), len(elements))
	for i, element := range elements {
		if err := bind(values.Index(i), element, field+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	dst.Set(values)
	return nil
}

func bindString(dst reflect.Value, raw json.RawMessage, field string) error {
	var text string
	if isNull(raw) || json.Unmarshal(raw, &text) != nil {
		return MalformedField(field, "a string")
	}
	dst.SetString(text)
	return nil
}

func bindBool(dst reflect.Value, raw json.RawMessage, field string) error {
	switch string(raw) {
	case "true":
		dst.SetBool(true)
	case "false":
		dst.SetBool(false)
	default:
		return MalformedField(field, "a boolean")
	}
	return nil
}

func bindInt(dst reflect.Value, raw json.RawMessage, field string) error {
	number, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || dst.OverflowInt(number) {
		return MalformedField(field, "a whole number")
	}
	dst.SetInt(number)
	return nil
}

func bindFloat(dst reflect.Value, raw json.RawMessage, field string) error {
	number, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || dst.OverflowFloat(number) {
		return MalformedField(field, "a number")
	}
	dst.SetFloat(number)
	return nil
}

func bindAny(dst reflect.Value, raw json.RawMessage, field string) error {
	if dst.NumMethod() != 0 {
		return fmt.Errorf("decode JSON into %s: type not supported", dst.Type())
	}
	value, err := anyValue(raw, field)
	if err != nil {
		return err
	}
	dst.SetZero()
	if value != nil {
		dst.Set(reflect.ValueOf(value))
	}
	return nil
}

// anyValue decodes raw without a declared type. Numbers keep their exact value where int64 can hold it.
func anyValue(raw json.RawMessage, field string) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, MalformedField(field, "valid JSON")
	}
	value, inRange := plainNumbers(value)
	if !inRange {
		return nil, outOfRange(field)
	}
	return value, nil
}

// plainNumbers replaces each json.Number within value; false if one is beyond float64.
func plainNumbers(value any) (any, bool) {
	inRange := true
	switch v := value.(type) {
	case json.Number:
		if whole, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return whole, true
		}
		number, err := v.Float64()
		return number, err == nil
	case map[string]any:
		for name, member := range v {
			plain, ok := plainNumbers(member)
			v[name], inRange = plain, inRange && ok
		}
	case []any:
		for i, element := range v {
			plain, ok := plainNumbers(element)
			v[i], inRange = plain, inRange && ok
		}
	}
	return value, inRange
}

func outOfRange(field string) *Error {
	if field == "" {
		return Malformed("The request body has a number that is out of range")
	}
	return MalformedField(field, "within the range of numbers")
}

// objectMembers splits an object. Its names are unique already, and encoding/json keeps a map's keys exact.
func objectMembers(raw json.RawMessage, field string) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if !isObject(raw) || json.Unmarshal(raw, &members) != nil {
		return nil, MalformedField(field, "an object")
	}
	return members, nil
}

func isObject(raw json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func joinField(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}
