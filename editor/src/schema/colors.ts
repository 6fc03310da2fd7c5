/** One hue for each type and category; lightness comes from the theme, so that colours read on dark and light. */

const TYPE_HUES: Readonly<Record<string, number>> = {
  Video: 145,
  Image: 245,
  Mask: 205,
  Audio: 180,
  Latents: 355,
  PromptEmbeds: 60,
  StructuredPrompt: 75,
  Condition: 40,
  Denoiser: 300,
  VAE: 285,
  TextEncoder: 320,
  ImageEncoder: 312,
  Scheduler: 270,
  Native: 260,
  ModularModel: 308,
  ModularState: 22,
  Pose: 165,
  Boxes: 190,
  str: 90,
  int: 262,
  float: 125,
  bool: 30,
  SavedFile: 220,
};

const CATEGORY_HUES: Readonly<Record<string, number>> = {
  diffusion: 300,
  modular: 330,
  media: 245,
  control: 165,
  prompts: 75,
  std: 262,
  evaluation: 125,
  dataset: 40,
  training: 15,
  toyworld: 190,
  licence: 50,
  workflow: 220,
};

function hashed(text: string): number {
  let hash = 7;
  for (const letter of text) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 359;
  return hash;
}

export function typeColor(name: string): string {
  if (name === 'any' || name === 'None') return 'var(--any)';
  return `oklch(var(--type-l) var(--type-c) ${TYPE_HUES[name] ?? hashed(name)})`;
}

export function categoryColor(name: string): string {
  return `oklch(var(--type-l) var(--type-c) ${CATEGORY_HUES[name] ?? hashed(name)})`;
}
