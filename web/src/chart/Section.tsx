/** A section of the page: its title, the sentence that says what to conclude, and what shows it. */

import type { ComponentChildren } from "preact";
import { localised } from "../numbers";

/** Text in which names stand in backticks. */
export function Prose({ text }: { text: string }) {
  const parts = localised(text).split(/`([^`]*)`/);
  return <>{parts.map((p, i) => (i % 2 === 1 ? <code>{p}</code> : p))}</>;
}

export function Section({ id, title, says, children }: { id: string; title: string; says?: string | undefined; children: ComponentChildren }) {
  return (
    <section id={id} aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{title}</h2>
      {says && (
        <p class="says">
          <Prose text={says} />
        </p>
      )}
      {children}
    </section>
  );
}
