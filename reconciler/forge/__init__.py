"""A project's comment on a pull or merge request: posted once, then found again and updated in place."""

from reconciler.forge.comments import Comment, Comments, Posted, post, withdraw
from reconciler.forge.github import GitHub, GitHubIssues
from reconciler.forge.gitlab import GitLab

__all__ = ["Comment", "Comments", "GitHub", "GitHubIssues", "GitLab", "Posted", "post", "withdraw"]
