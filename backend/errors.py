"""The exceptions of the service. A client gets their message, never a traceback.

FirstpassError
├── SettingsError         a setting of the environment or of a project cannot be used
├── RequestError          the request is not what Label Studio sends
│   ├── NoJson            its body is not sent as JSON
│   ├── ForeignRequest    a web page of others had a browser send it
│   ├── LabelConfigError  the labeling config has no control that masks can be made for
│   ├── NoImage           the task's data has no image for a control
│   └── RequestTooLarge   more of something than one request may bring
├── ImageError            the image of a task cannot be used
│   ├── ImageNotFound     no such file, or the host does not answer
│   ├── ImageForbidden    its host, folder or token is not allowed
│   ├── ImageTooLarge     more bytes or pixels than the limits
│   └── ImageBroken       bytes that no decoder reads
├── Overloaded            no room left; the same request may succeed later
│   └── OutOfTime         not done within the time for it
├── OutOfMemory           the machine or its GPU has no memory left for it
├── LabelStudioError      Label Studio cannot be reached or refuses the token
└── StoreError            Redis cannot be used
"""


class FirstpassError(Exception):
    """An expected error. Its message says what was given, what is needed, and the remedy."""

    code = "error"  # label of the failure counters in /metrics
    http_status = 500
    retry_after_s: int | None = None  # after which to ask again, where that may help


class SettingsError(FirstpassError):
    code = "settings"
    http_status = 400


class RequestError(FirstpassError):
    code = "request"
    http_status = 400


class NoJson(RequestError):
    http_status = 415


class ForeignRequest(RequestError):
    http_status = 403


class LabelConfigError(RequestError):
    code = "label_config"


class NoImage(RequestError):
    pass


class RequestTooLarge(RequestError):
    http_status = 413


class ImageError(FirstpassError):
    code = "image"
    http_status = 400


class ImageNotFound(ImageError):
    code = "image_not_found"


class ImageForbidden(ImageError):
    code = "image_forbidden"


class ImageTooLarge(ImageError):
    code = "image_too_large"


class ImageBroken(ImageError):
    code = "image_broken"


class Overloaded(FirstpassError):
    code = "overloaded"
    http_status = 503
    retry_after_s = 2


class OutOfTime(Overloaded):
    pass


class OutOfMemory(FirstpassError):
    code = "out_of_memory"
    http_status = 503
    retry_after_s = 10


class LabelStudioError(FirstpassError):
    code = "label_studio"
    http_status = 503
    retry_after_s = 10


class StoreError(FirstpassError):
    code = "store"
    http_status = 503
    retry_after_s = 10  # the store reconnects after 1 to 30 s
