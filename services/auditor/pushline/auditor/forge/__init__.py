"""What the line says of a commit, told where the commit lies: a status and one comment at GitHub, GitLab or Gitea."""
