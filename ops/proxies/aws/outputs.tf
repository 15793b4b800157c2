output "dns_name" {
  description = "Where the public name points to; wss://NAME/v1/stream is the edges' edge.endpoint"
  value       = aws_lb.tocsin.dns_name
}

output "target_groups" {
  description = "Where blue and green edges are registered, by address"
  value       = { for colour, group in aws_lb_target_group.edges : colour => group.arn }
}

output "balancer_security_group_id" {
  description = "To be let in by the edges' security group"
  value       = aws_security_group.balancer.id
}
