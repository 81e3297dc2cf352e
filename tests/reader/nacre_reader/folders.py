"""14. How names and inodes hold together: every inode is reached, as often as it says, and folders form a tree."""

from .constants import ROOT_INODE
from .fields import need


def check_names(objects, report):
    """Every name names an inode of its type, and the counts agree."""
    links = dict.fromkeys(objects, 0)
    folders_in = dict.fromkeys(objects, 0)
    for number, folder in objects.items():
        for entry in folder.names:
            with report.guard("inode %d, name %r" % (number, entry.name)):
                need(entry.inode in objects, "there is no inode %d" % entry.inode)
                named = objects[entry.inode]
                links[entry.inode] += 1
                need(named.inode.type == entry.type, "its type is not its inode's")
                if named.inode.is_folder:
                    folders_in[number] += 1
                    need(named.inode.parent == number, "the folder's parent is %d" % named.inode.parent)
    for number, found in objects.items():
        with report.guard("inode %d" % number):
            check_links(found, links[number], folders_in[number])


def check_links(found, names, folders):
    inode = found.inode
    if found.orphan:
        need(names == 0, "an orphan has a name")
        need(inode.links == 0, "an orphan has %d links" % inode.links)
        need(not found.names, "an orphan has names in it")
    elif inode.is_folder:
        need(names == (0 if found.number == ROOT_INODE else 1), "a folder has %d names" % names)
        need(inode.links == 2 + folders, "a folder of %d folders has %d links" % (folders, inode.links))
    else:
        need(names, "it has no name and is no orphan")
        need(names == inode.links, "it has %d names and %d links" % (names, inode.links))


def walk_names(objects, report):
    """(path, object) for everything below the root, itself first; each folder once. Paths have no leading slash."""
    root = objects.get(ROOT_INODE)
    if root is None or not root.inode.is_folder:
        report.problem("", "there is no root folder")
        return
    with report.guard("the root folder"):
        need(root.inode.parent == ROOT_INODE, "its parent is %d" % root.inode.parent)
        need(not root.orphan, "it is an orphan")
    seen = {ROOT_INODE}
    todo = [(b"", root)]
    while todo:
        path, found = todo.pop()
        yield path, found
        for entry in sorted(found.names, key=lambda name: name.name, reverse=True):
            named = objects.get(entry.inode)
            if named is None:
                continue
            if named.inode.is_folder:
                if entry.inode in seen:
                    report.problem("inode %d" % entry.inode, "a folder has more than one place")
                    continue
                seen.add(entry.inode)
            todo.append((path + b"/" + entry.name if path else entry.name, named))


def check_reached(objects, reached, report):
    """Whoever is no orphan is found from the root; a ring of folders is not."""
    for number, found in objects.items():
        if not found.orphan and number not in reached:
            report.problem("inode %d" % number, "it is not reached from the root")
