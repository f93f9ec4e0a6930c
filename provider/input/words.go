package input

// Words are those in which doors differ, where they tell users what to do and describe what there is.
type Words struct {
	Tool        string // Terraform
	Apply, Plan string // the commands that change things, and that show what would be changed
	Provider    string // where the provider's own settings stand
	Cluster     string // what a cluster's resource is called
	Worker      string // what an elastic worker's resource is called
	Machines    string // what the tool does about machines too early for a cluster on them
	Target      string // the option by which a part alone is applied
	// Own are further words of descriptions, by the name that stands for them there in braces; what is not in it is left out.
	Own map[string]string
	// Rename gives an attribute's name as users write it; nil leaves it as the language has it.
	Rename func(name string) string
}

// Name is an attribute's name as users write it.
func (w Words) Name(name string) string {
	if w.Rename == nil {
		return name
	}
	return w.Rename(name)
}
