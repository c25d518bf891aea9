package userfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

var errNoHashConfig = errors.New("neither what Firebase's console shows (hash_config {…}) nor JSON with algorithm, base64_signer_key, base64_salt_separator, rounds and mem_cost")

// ParseHashConfig reads Firebase's password hash parameters, as its console shows them or as JSON. Errors never quote them, since they hold a key.
func ParseHashConfig(content []byte) (*FirebaseHashConfig, error) {
	config := &FirebaseHashConfig{}
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("{")) {
		err = json.Unmarshal(content, config)
	} else {
		err = parseShownHashConfig(string(content), config)
	}
	if err != nil || config.SignerKey == "" {
		return nil, errNoHashConfig
	}
	return config, nil
}

var shownField = regexp.MustCompile(`(?m)^\s*(\w+)\s*:\s*"?([^\s",]+)"?\s*,?\s*$`)

// parseShownHashConfig reads "hash_config { algorithm: SCRYPT, … }", a field on each line.
func parseShownHashConfig(text string, config *FirebaseHashConfig) (err error) {
	for _, field := range shownField.FindAllStringSubmatch(text, -1) {
		switch value := field[2]; field[1] {
		case "algorithm":
			config.Algorithm = value
		case "base64_signer_key":
			config.SignerKey = value
		case "base64_salt_separator":
			config.SaltSeparator = value
		case "rounds":
			config.Rounds, err = strconv.Atoi(value)
		case "mem_cost":
			config.MemCost, err = strconv.Atoi(value)
		}
		if err != nil {
			return fmt.Errorf("%s is not a number", field[1])
		}
	}
	return nil
}
