// Gives every block marked data-copy a button that copies its text. Without this script the text can be selected as ever.

const SHOWN_MILLISECONDS = 2500;

function select(block) {
  const range = document.createRange();
  range.selectNodeContents(block);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

// The clipboard is open to pages of a secure origin only; elsewhere the older way may still work.
async function copy(block) {
  try {
    await navigator.clipboard.writeText(block.textContent);
    return true;
  } catch {
    select(block);
    return document.execCommand("copy");
  }
}

for (const block of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy: ${block.getAttribute("aria-label")}`);
  const told = document.createElement("span");
  told.className = "unseen";
  told.setAttribute("role", "status");
  let ends;
  button.addEventListener("click", async () => {
    button.textContent = told.textContent = (await copy(block)) ? "Copied" : "Selected";
    clearTimeout(ends);
    ends = setTimeout(() => {
      button.textContent = "Copy";
      told.textContent = "";
    }, SHOWN_MILLISECONDS);
  });
  block.after(button, told);
}
