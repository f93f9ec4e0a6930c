variable "age_recipients" {
  type        = list(string)
  description = "age public keys, as `trivet identity new` prints them: two or more, whose identities are kept in different places"
}

variable "workers" {
  type        = map(number)
  default     = { bj1 = 1, bj2 = 0, sh1 = 1 }
  description = "how many workers each site has, at most 37 here; the first of bj1 is bj1-w1"
}

variable "kubernetes" {
  type        = string
  default     = "1.37.2"
  description = "the Kubernetes release; another one is an upgrade"
}

variable "deletion_protection" {
  type        = bool
  default     = true
  description = "false, applied first, lets the cluster be destroyed"
}

variable "ssh_user" {
  type        = string
  default     = "ops" # CHANGE: root, or a user with sudo
  description = "the user to log in as"
}

variable "ssh_key_file" {
  type        = string
  default     = "~/.ssh/fleet" # CHANGE
  description = "the private key that the hosts let in; it is read at every run and kept nowhere"
}

variable "known_hosts_file" {
  type        = string
  default     = "known_hosts"
  description = "the hosts' public keys; a host that is not in it is refused"
}
