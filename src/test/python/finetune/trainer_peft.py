"""Fine-tunes a ViT by LoRA on a folder of photos, as the documentation of transformers and peft shows it, with the Trainer.

    python trainer_peft.py MODEL PHOTOS OUTPUT [--precision bf16] [--epochs 3]

MODEL, PHOTOS, OUTPUT and the last line of output are those of timm_peft.py. The model is timm's by transformers' wrapper, which does not
interpolate positions; so timm saves it at the size of the photos first.
"""

import json

from clock import Clock, arguments

given = arguments(__doc__)
clock = Clock()

import timm
import torch
from peft import LoraConfig, get_peft_model
from timm.data import create_transform
from torchvision.datasets import ImageFolder
from transformers import AutoImageProcessor, AutoModelForImageClassification, Trainer, TrainingArguments, set_seed

set_seed(given.seed)
torch.set_num_threads(given.threads)
clock("imports")

resized = given.output / "pretrained"
timm.models.save_for_hf(
    timm.create_model(f"local-dir:{given.model}", pretrained=True, img_size=given.size), resized, safe_serialization=True
)
transform = create_transform(**AutoImageProcessor.from_pretrained(resized).data_config, is_training=False)
train, test = (ImageFolder(given.photos / part, transform) for part in ("train", "test"))
model = AutoModelForImageClassification.from_pretrained(resized, num_labels=len(train.classes), model_args={"img_size": given.size})
model = get_peft_model(
    model, LoraConfig(r=8, lora_alpha=8, target_modules=["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"], modules_to_save=["head"])
)


def collate(examples):
    return {"pixel_values": torch.stack([image for image, _ in examples]), "labels": torch.tensor([label for _, label in examples])}


def accuracy(predicted):
    return {"accuracy": (predicted.predictions.argmax(1) == predicted.label_ids).mean().item()}


trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir=str(given.output / "checkpoints"),
        use_cpu=True,
        bf16=given.precision == "bf16",
        per_device_train_batch_size=given.batch,
        per_device_eval_batch_size=32,
        num_train_epochs=given.epochs,
        learning_rate=given.rate,
        lr_scheduler_type="cosine",
        warmup_steps=-(-len(train) // given.batch),
        max_grad_norm=1.0,
        save_strategy="no",
        logging_steps=50,
        report_to="none",
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_num_workers=given.workers,
        dataloader_persistent_workers=given.workers > 0,
        seed=given.seed,
    ),
    train_dataset=train,
    eval_dataset=test,
    data_collator=collate,
    compute_metrics=accuracy,
)
clock("model")
trained = trainer.train()
clock("training")
measured = trainer.evaluate()
clock("evaluation")
model.merge_and_unload().save_pretrained(given.output)
clock("merge")
print(json.dumps({"accuracy": measured["eval_accuracy"], "steps": trained.global_step, **clock.seconds()}))
