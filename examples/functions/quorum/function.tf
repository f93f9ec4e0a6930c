output "five_members" {
  value = provider::trivet::quorum(5) # { quorum = 3, may_fail = 2 }
}
