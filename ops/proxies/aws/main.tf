# An Application Load Balancer in front of Tocsin's edges: TLS there, WebSocket and HTTP to the edge with the fewest
# requests under way. What must fit together with the edges' settings is in ../README.md; here especially:
#
#   idle_timeout 75 s                 above twice session.keepalive_ms (25 s)
#   health_check 2 x 5 s              drain.lb_settle_ms of 15000: a cordon is seen after ten seconds
#   deregistration_delay 120 s        above drain.lb_settle_ms and drain.deadline_ms: a target that leaves keeps its
#                                     sockets while it drains
#   proxy.trusted                     the subnets of the balancer; X-Forwarded-For is the client's as it was seen here

terraform {
  required_version = ">= 1.3"
  required_providers {
    # Conditions by regular expressions are younger than version 5; this one was checked.
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.25"
    }
  }
}

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Clients of Tocsin"
  vpc_id      = var.vpc_id

  ingress {
    description = "HTTPS and WebSocket"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  ingress {
    description = "Only to be sent to HTTPS"
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    description     = "The edges, and nothing else"
    from_port       = var.edge_port
    to_port         = var.edge_port
    protocol        = "tcp"
    security_groups = [var.edge_security_group_id]
  }
}

resource "aws_lb" "tocsin" {
  name                       = var.name
  internal                   = false
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.balancer.id]
  subnets                    = var.public_subnet_ids
  idle_timeout               = 75
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  xff_header_processing_mode = "append"
  enable_http2               = true
  enable_deletion_protection = var.deletion_protection
}

# One group a colour: the listener's weights move new clients, ops/runbook/scripts/blue-green.sh those that are there.
resource "aws_lb_target_group" "edges" {
  for_each = toset(["blue", "green"])

  name                          = "${var.name}-${each.key}"
  port                          = var.edge_port
  protocol                      = "HTTP"
  protocol_version              = "HTTP1"
  target_type                   = "ip"
  vpc_id                        = var.vpc_id
  load_balancing_algorithm_type = "least_outstanding_requests"
  deregistration_delay          = 120

  # Sessions live at the broker: a client may come back anywhere.
  stickiness {
    type    = "lb_cookie"
    enabled = false
  }

  # An edge that is not ready gets nobody new; the balancer leaves it the sockets that it has until their clients have moved.
  health_check {
    path                = "/health/ready"
    matcher             = "200"
    interval            = 5
    timeout             = 4
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.tocsin.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.tocsin.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  # What is for operators is asked of each edge itself: only what clients need is let through, below.
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "clients" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 1

  # The edge resolves dots in a path, so none is let through that does not stand before a letter or digit, and none in
  # percents; nor an empty segment.
  condition {
    path_pattern {
      regex_values = [
        "^/(board(/[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*)+)?$",
        "^/health(/[a-z]+)?$",
        "^/v1(/([A-Za-z0-9_~:@!$&'()*+,;=-]|[.][A-Za-z0-9_-]|%([013-9A-Fa-f][0-9A-Fa-f]|2[0-9A-DFa-df]))+)+$",
      ]
    }
  }

  action {
    type = "forward"
    forward {
      target_group {
        arn    = aws_lb_target_group.edges["blue"].arn
        weight = 100 - var.green_percent
      }
      target_group {
        arn    = aws_lb_target_group.edges["green"].arn
        weight = var.green_percent
      }
    }
  }
}
