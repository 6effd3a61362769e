// Reads a Modelfile as `ollama create` does, and renders conversations by its template as Ollama's server does.
// Input (standard input): {"modelfile": PATH, "conversations": [[{"role", "content"}, …], …]}.
// Output: {"from", "adapters": {PATH: DIGEST}, "stop": […], "prompts": […]}.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/parser"
	"github.com/ollama/ollama/template"
)

type question struct {
	Modelfile     string          `json:"modelfile"`
	Conversations [][]api.Message `json:"conversations"`
}

type answer struct {
	From     string            `json:"from"`
	Adapters map[string]string `json:"adapters"`
	Stop     any               `json:"stop"`
	Prompts  []string          `json:"prompts"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	file, err := os.Open(asked.Modelfile)
	if err != nil {
		return err
	}
	defer file.Close()
	parsed, err := parser.ParseFile(file)
	if err != nil {
		return err
	}
	request, err := parsed.CreateRequest(filepath.Dir(asked.Modelfile))
	if err != nil {
		return err
	}
	said := answer{
		From:     request.From,
		Adapters: request.Adapters,
		Stop:     request.Parameters["stop"],
		Prompts:  []string{},
	}
	format, err := template.Parse(request.Template)
	if err != nil {
		return err
	}
	for _, messages := range asked.Conversations {
		var prompt bytes.Buffer
		if err := format.Execute(&prompt, template.Values{Messages: messages}); err != nil {
			return err
		}
		said.Prompts = append(said.Prompts, prompt.String())
	}
	return json.NewEncoder(os.Stdout).Encode(said)
}
