"""The models of a Django messenger that `import-django` reads."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


class User(AbstractUser):
    avatar = models.ImageField(upload_to="avatars/", null=True, blank=True)
    status = models.CharField(max_length=200, default="offline")
    last_seen = models.DateTimeField(null=True, blank=True)


class Chat(models.Model):
    name = models.CharField(max_length=200, blank=True)
    is_group = models.BooleanField(default=False)
    members = models.ManyToManyField(User, related_name="chats")
    created_at = models.DateTimeField(default=timezone.now)


class Message(models.Model):
    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, related_name="messages")
    sender = models.ForeignKey(User, on_delete=models.CASCADE)
    content = models.TextField()
    timestamp = models.DateTimeField(default=timezone.now)
    is_read = models.BooleanField(default=False)
