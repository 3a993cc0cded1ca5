"""Fine-tunes a ViT by LoRA on a folder of photos, as the documentation of timm and peft shows it, with a plain loop of PyTorch.

    python timm_peft.py MODEL PHOTOS OUTPUT [--precision bf16] [--epochs 3]

MODEL is a folder of timm's config.json and model.safetensors, PHOTOS has train/CLASS/* and test/CLASS/*. OUTPUT gets the merged
model. The last line of output is JSON: the accuracy on the test photos, and seconds since the process began.
"""

import json

from clock import Clock, arguments

given = arguments(__doc__)
clock = Clock()

import timm
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config
from timm.scheduler import CosineLRScheduler
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

torch.manual_seed(given.seed)
torch.set_num_threads(given.threads)
clock("imports")

model = timm.create_model(f"local-dir:{given.model}", pretrained=True, img_size=given.size, num_classes=len(list((given.photos / "train").iterdir())))
transform = create_transform(**resolve_model_data_config(model) | {"input_size": (3, given.size, given.size)}, is_training=False)
train, test = (ImageFolder(given.photos / part, transform) for part in ("train", "test"))
model = get_peft_model(
    model, LoraConfig(r=8, lora_alpha=8, target_modules=["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"], modules_to_save=["head"])
)
loader = DataLoader(train, batch_size=given.batch, shuffle=True, num_workers=given.workers, persistent_workers=given.workers > 0)
optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=given.rate, weight_decay=0)
schedule = CosineLRScheduler(
    optimizer, t_initial=given.epochs * len(loader), warmup_t=len(loader), warmup_prefix=False, warmup_lr_init=0, t_in_epochs=False
)
autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=given.precision == "bf16")
clock("model")

model.train()
step = 0
for epoch in range(given.epochs):
    for images, labels in loader:
        schedule.step_update(step)
        with autocast:
            loss = torch.nn.functional.cross_entropy(model(images).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
clock("training")

merged = model.merge_and_unload().eval()
given.output.mkdir(parents=True, exist_ok=True)
save_file({name: value.contiguous() for name, value in merged.state_dict().items()}, given.output / "model.safetensors")
clock("merge")

right = 0
with torch.inference_mode(), autocast:
    for images, labels in DataLoader(test, batch_size=32, num_workers=given.workers):
        right += (merged(images).argmax(1) == labels).sum().item()
clock("evaluation")
print(json.dumps({"accuracy": right / len(test), "steps": step, **clock.seconds()}))
