variable "name" {
  description = "Name of everything that is made here"
  type        = string
  default     = "tocsin"
}

variable "vpc_id" {
  description = "VPC of the edges"
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the balancer, in two zones at least"
  type        = list(string)

  validation {
    condition     = length(var.public_subnet_ids) >= 2
    error_message = "An application load balancer wants subnets in two zones."
  }
}

variable "edge_security_group_id" {
  description = "Security group of the edges; it must let the balancer's in"
  type        = string
}

variable "edge_port" {
  description = "listen.port of the edges"
  type        = number
  default     = 8080
}

variable "certificate_arn" {
  description = "ACM certificate of the public name"
  type        = string
}

variable "green_percent" {
  description = "Share of new clients that green gets: 0 blue only, 10 a canary, 100 green only"
  type        = number
  default     = 0

  validation {
    condition     = var.green_percent >= 0 && var.green_percent <= 100
    error_message = "A share is from 0 to 100."
  }
}

variable "deletion_protection" {
  description = "Whether the balancer is kept from being deleted"
  type        = bool
  default     = true
}
