import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** Asks for attention until it is closed: by Esc too, unless there is no way to close it. */
export function Dialog(props: {
  readonly title: string;
  readonly close?: () => void;
  readonly children: ComponentChildren;
}) {
  const element = useRef<HTMLDialogElement>(null);
  // Before anything else can be pressed.
  useLayoutEffect(() => element.current?.showModal(), []);
  const { title, close, children } = props;
  return (
    <dialog
      ref={element}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        close?.();
      }}
    >
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}
