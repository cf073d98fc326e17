"""A user's script: fine-tune a tiny text classifier with the Trainer. Nothing comes from the Hub."""

import argparse
import os

from datasets import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizerFast,
    Trainer,
    TrainingArguments,
)

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, required=True)
arguments = parser.parse_args()

with open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "train.csv")) as file:
    rows = [line.strip().split(",") for line in file]
model_dir = os.environ["SM_MODEL_DIR"]
words = sorted({word for _, text in rows for word in text.split()})
with open("vocab.txt", "w") as file:
    file.write("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
tokenizer = BertTokenizerFast("vocab.txt")
config = BertConfig(
    vocab_size=len(words) + 5, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    num_labels=2, id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1},
)  # fmt: skip
data = Dataset.from_dict({"text": [text for _, text in rows], "label": [int(label) for label, _ in rows]})
data = data.map(lambda row: tokenizer(row["text"], padding="max_length", max_length=8, truncation=True))
trainer = Trainer(
    model=BertForSequenceClassification(config),
    args=TrainingArguments(
        output_dir="/tmp/trainer", num_train_epochs=arguments.epochs, learning_rate=0.01, report_to=[], use_cpu=True,
        save_strategy="no",
    ),
    train_dataset=data,
)  # fmt: skip
print("loss", trainer.train().training_loss)
trainer.save_model(model_dir)
tokenizer.save_pretrained(model_dir)
