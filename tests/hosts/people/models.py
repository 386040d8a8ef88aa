"""Users by UUID, by e-mail address, by a big number that another service has given, by
a value of a class of the host. ``AUTH_USER_MODEL`` chooses; the others are not made."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import AbstractUser, PermissionsMixin
from django.db import models


class ByUuid(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta(AbstractUser.Meta):  # type: ignore[name-defined,misc]
        swappable = "AUTH_USER_MODEL"


_numbers = itertools.count(4_349_940_199_004_549)


class ByNumber(AbstractUser):
    #: of sixteen digits, and these could be those of a card
    id = models.BigAutoField(primary_key=True)

    class Meta(AbstractUser.Meta):  # type: ignore[name-defined,misc]
        swappable = "AUTH_USER_MODEL"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is None:
            self.pk = next(_numbers)
        super().save(*args, **kwargs)


class Addresses(BaseUserManager["ByAddress"]):
    def create_user(self, name: str, **more: Any) -> ByAddress:
        long = f"of.a.company.with.a.long.name@{'mail.' * 6}shop.example"
        address = f"{name.upper()}.{long}"
        user = self.model(address=address, **more)
        user.set_unusable_password()
        user.save(using=self._db)
        return user


class ByAddress(AbstractBaseUser, PermissionsMixin):
    address = models.EmailField(primary_key=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = EMAIL_FIELD = "address"
    REQUIRED_FIELDS = []
    objects = Addresses()

    class Meta:
        swappable = "AUTH_USER_MODEL"


@dataclass(frozen=True)
class Token:
    """A key that is no text, no number and no UUID in Python."""

    text: str

    def __str__(self) -> str:
        return f"usr_{self.text}"

    def __len__(self) -> int:  # false though it is there, as a class of a host may be
        return 0


class TokenField(models.CharField):  # type: ignore[type-arg]
    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return self.to_python(value)

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, Token):
            return value
        return Token(str(value).removeprefix("usr_"))

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else self.to_python(value).text


class ByToken(AbstractUser):
    id = TokenField(primary_key=True, max_length=40, editable=False)

    class Meta(AbstractUser.Meta):  # type: ignore[name-defined,misc]
        swappable = "AUTH_USER_MODEL"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not isinstance(self.pk, Token):
            self.pk = Token(uuid.uuid4().hex)
        super().save(*args, **kwargs)
